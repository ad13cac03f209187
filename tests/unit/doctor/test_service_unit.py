"""What the unit of the service has to give it: credentials, and a program that its user can run."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from router.doctor.finding import Level
from router.doctor.service_unit import credentials, program
from router.doctor.subject import Subject
from router.doctor.unit_files import settings_of
from tests.unit.doctor.subjects import levels, subject_in

ADMIN = '[admin]\ntoken = { credential = "admin_token" }\n'
IDLE = (
    '[[destination]]\nname = "d"\nplugin = "webhook"\nmode = "dry-run"\nsettings = { url = { credential = "idle" } }\n'
)


@pytest.fixture
def root() -> Iterator[Path]:
    """Stands for /. Every user can enter it; nobody may enter folders of pytest."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for inner in (folder, folder / "etc", folder / "etc/router", folder / "system", folder / "lib", folder / "bin"):
            inner.mkdir(exist_ok=True)
            inner.chmod(0o755)
        yield folder


def installed(root: Path, more: str = "", config: str = ADMIN) -> Subject:
    """A machine with a service of another name than ours, whose unit came with a package."""
    subject = subject_in(root / "etc/router", config, unit_folders=(root / "system", root / "lib"))
    line = f"{root}/bin/segment-router serve --config {subject.path}"
    (root / "lib/router.service").write_text(f"[Service]\nDynamicUser=yes\nExecStart={line}\n{more}")
    return subject


def drop_in(folder: Path, name: str, text: str) -> None:
    (folder / "router.service.d").mkdir(exist_ok=True)
    (folder / "router.service.d" / name).write_text(f"[Service]\n{text}\n")


def secret(root: Path, mode: int = 0o600) -> Path:
    path = root / "etc/router/admin_token"
    path.write_text("s3cret")
    path.chmod(mode)
    return path


# ---------------------------------------------------------------- the unit


def test_drop_ins_are_read_from_every_folder_and_one_replaces_another_of_its_name(root: Path) -> None:
    (root / "lib/router.service").write_text("[Service]\nNice=1\n")
    drop_in(root / "lib", "b.conf", "Nice=2")
    drop_in(root / "lib", "a.conf", "Nice=3")
    drop_in(root / "system", "b.conf", "Nice=4")
    found = settings_of("router.service", (root / "system", root / "lib"))
    assert [one.value for one in found] == ["1", "3", "4"]


# ---------------------------------------------------------------- credentials


def test_without_a_unit_for_this_config_there_is_nothing_to_say(root: Path) -> None:
    subject = installed(root)
    other = replace(subject, path=root / "elsewhere.toml")
    assert levels(credentials(other)) == []
    assert levels(program(other)) == []


def test_a_credential_that_no_unit_loads_is_named_and_those_that_nobody_needs_yet_are_not(root: Path) -> None:
    subject = installed(root, config=ADMIN + IDLE)
    [found] = credentials(subject)
    assert found.level is Level.ERROR
    assert found.sentence == "admin.token: router.service has no LoadCredential of the name admin_token"
    assert found.remedy == "`systemctl edit router.service`: LoadCredential=admin_token:PATH below [Service]"
    drop_in(root / "system", "override.conf", f"LoadCredential=admin_token:{secret(root)}")
    assert levels(credentials(subject)) == [("credentials", "ok")]


def test_the_file_behind_a_credential_is_for_root_only_and_has_to_be_there(root: Path) -> None:
    path = secret(root, 0o644)
    subject = installed(root, f"LoadCredential=admin_token:{path}\n")
    [found] = credentials(subject)
    assert found.level is Level.WARNING
    assert found.sentence == f"every user of this machine can read {path}, which router.service loads as a credential"
    if os.geteuid() == 0:
        subprocess.run(["sh", "-c", found.remedy], check=True)
        assert levels(credentials(subject)) == [("credentials", "ok")]
    path.unlink()
    [found] = credentials(subject)
    assert (found.level, f"{path}, and there is no such file" in found.sentence) == (Level.ERROR, True)


# ---------------------------------------------------------------- the program


def script(root: Path, python: Path) -> Subject:
    """The service, with a program that asks for this Python."""
    path = root / "bin/segment-router"
    path.write_text(f"#!{python}\n")
    path.chmod(0o755)
    return installed(root)


def test_a_python_that_the_user_of_the_service_cannot_run_is_named(root: Path) -> None:
    private = root / "private/bin"
    private.mkdir(parents=True)
    (root / "private").chmod(0o700)
    shutil.copy("/bin/true", private / "python3")
    linked = root / "bin/python"
    linked.symlink_to(private / "python3")
    [found] = program(script(root, linked))
    assert (found.level, found.code) == (Level.ERROR, "program")
    assert found.sentence.endswith(f"cannot run {private}/python3: see the mode of {root}/private")
    (root / "private").chmod(0o755)
    assert levels(program(script(root, linked))) == [("program", "ok")]


def test_a_program_that_is_for_root_only_is_named(root: Path) -> None:
    subject = script(root, Path("/bin/true"))
    (root / "bin/segment-router").chmod(0o700)
    [found] = program(subject)
    assert f"cannot run {root}/bin/segment-router" in found.sentence
    unit = root / "lib/router.service"
    unit.write_text(unit.read_text().replace("DynamicUser=yes\n", ""))
    assert levels(program(subject)) == [], "root runs it"
