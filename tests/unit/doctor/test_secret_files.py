"""Files with events and secrets: others cannot read them, and the service can; no advice locks it out."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from router.doctor.finding import Level
from router.doctor.secret_files import exposed, readable
from router.doctor.subject import Subject
from router.runtime_file import Running
from tests.as_nobody import NOBODY, folder_of_nobody, needs_root
from tests.unit.doctor.subjects import levels, subject_in

HOOK = '[[destination]]\nname = "d"\nplugin = "webhook"\n[destination.settings]\nurl = { file = "key" }\n'


def test_files_that_everybody_can_read_are_named_each(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("secret")
    (tmp_path / "key").chmod(0o644)
    more = '[[destination]]\nname = "d"\nplugin = "webhook"\n[destination.settings]\nurl = { file = "key" }\n'
    subject = subject_in(tmp_path, more)
    for name in ("router.db", "router.db.before-5"):
        (tmp_path / name).touch()
        (tmp_path / name).chmod(0o644)
    found = list(exposed(subject))
    assert [one.remedy for one in found] == [
        f"chmod 600 {tmp_path / name}" for name in ("router.db", "router.db.before-5", "key")
    ]
    assert {one.level for one in found} == {Level.WARNING}
    for name in ("router.db", "router.db.before-5", "key"):
        (tmp_path / name).chmod(0o600)
    assert levels(exposed(subject)) == [("exposed", "ok")]


def test_a_config_toml_with_secrets_that_everybody_can_read_is_named(tmp_path: Path) -> None:
    subject = subject_in(tmp_path, '[admin]\ntoken = "0123456789abcdef"\n')
    assert levels(exposed(subject)) == [("exposed", "ok")]
    subject.path.chmod(0o644)
    [found] = exposed(subject)
    assert (found.level, "admin.token" in found.sentence, "0123456789" in found.sentence) == (
        Level.WARNING,
        True,
        False,
    )


@pytest.fixture
def service() -> Iterator[Subject]:
    """A stopped service: its store belongs to nobody, its config.toml and its secret to root."""
    with folder_of_nobody() as folder:
        folder.chmod(0o755)
        (folder / "key").write_text("https://example.com/s3cret")
        for path in (folder / "router.db", folder / "key"):
            path.touch()
            path.chmod(0o644)
        os.chown(folder / "router.db", NOBODY, NOBODY)
        (folder / "router.db").chmod(0o600)
        subject = subject_in(folder, f'[admin]\ntoken = "0123456789abcdef"\n{HOOK}')
        subject.path.chmod(0o644)
        yield subject


@needs_root
def test_no_advice_about_a_file_of_root_keeps_the_service_from_reading_it(service: Subject) -> None:
    folder = service.path.parent
    key, config = exposed(service)
    assert key.sentence == f"every user of this machine can read {folder}/key"
    assert key.remedy == (
        f"pass it by LoadCredential as {{ credential = ... }}, or chown {NOBODY} and chmod 600: with chmod 600 alone the"
        " service cannot read it"
    )
    assert config.sentence.startswith(f"{folder}/config.toml: it holds secrets (admin.token), and every user")
    assert config.remedy == "write them into files or credentials, and name these in it"
    for name in ("key", "config.toml"):
        os.chown(folder / name, NOBODY, NOBODY)
    assert [one.remedy.split(", or ")[-1] for one in exposed(service)] == [
        f"chmod 600 {folder}/{name}" for name in ("key", "config.toml")
    ]


@needs_root
def test_what_only_root_can_read_keeps_a_stopped_service_from_starting(service: Subject) -> None:
    assert levels(readable(service)) == [("secrets", "ok")]
    for name in ("key", "config.toml"):
        (service.path.parent / name).chmod(0o600)
    assert levels(readable(service)) == [("secrets", "error")] * 2
    config, key = readable(service)
    assert config.sentence.startswith(
        f"config.toml: the service runs as user {NOBODY}, who may not read {service.path}"
    )
    assert key.sentence.startswith("destination[0] (d).settings.url: the service runs as user")
    running = Running(os.getpid(), "http://127.0.0.1:1", "http://127.0.0.1:2", "", NOBODY, NOBODY)
    assert levels(readable(replace(service, running=running))) == [("secrets", "warning")] * 2


def test_before_the_first_start_nobody_knows_who_has_to_read_them(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("secret")
    assert levels(readable(subject_in(tmp_path, HOOK))) == []
    (tmp_path / "router.db").touch()
    assert levels(readable(subject_in(tmp_path, HOOK))) == [("secrets", "ok")]
