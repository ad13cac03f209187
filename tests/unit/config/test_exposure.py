"""What others can get at is warned of at the start and by `check`: files that they can read, a token that they can guess."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from router.cli import main
from router.config import Operator
from router.config.exposure import unreadable_files
from router.plugin_host import read
from tests.as_nobody import NOBODY, as_nobody, folder_of_nobody, needs_root


def warnings(folder: Path, text: str, mode: int = 0o600, **environ: str) -> list[tuple[str, str]]:
    path = folder / "config.toml"
    source = '[[source]]\nname = "web"\nwrite_key = "k"\n'
    path.write_text(f"{text}\n{source}" if text.startswith("[admin]") else f"{source}{text}")
    path.chmod(mode)
    return [(warning.key, warning.words) for warning in read(path, environ)[0].warnings]


def hook(settings: str) -> str:
    return f'[[destination]]\nname = "hook"\nplugin = "webhook"\n[destination.settings]\nurl = "https://x.test"\n{settings}\n'


KEY_FILE = hook('shared_secret = { file = "key" }')


@pytest.mark.parametrize(("mode", "is_told"), [(0o644, True), (0o640, False)])
def test_a_secret_file_that_others_can_read_is_warned_of(tmp_path: Path, mode: int, is_told: bool) -> None:
    (tmp_path / "key").write_text("s3cret-value")
    (tmp_path / "key").chmod(mode)
    told = warnings(tmp_path, hook('shared_secret = { file = "key" }'), 0o644)
    assert [key for key, _ in told] == ["destination[0] (hook).settings.shared_secret"] * is_told
    assert "s3cret" not in str(told)


@pytest.mark.parametrize(
    ("text", "keys"),
    [
        (hook('shared_secret = "s3cret-value"'), "hook.settings"),
        (hook('headers = { Authorization = "s3cret-value" }'), "hook.settings"),
        ('[admin]\ntoken = "s3cret-value"', "admin.token"),
        (hook('shared_secret = { env = "KEY" }'), ""),
        ("", ""),
    ],
)
def test_a_config_with_secrets_in_it_that_others_can_read_is_warned_of(tmp_path: Path, text: str, keys: str) -> None:
    told = warnings(tmp_path, text, 0o644, KEY="s3cret-value")
    assert [key for key, _ in told] == ["config.toml"] * bool(keys)
    assert all(f"({keys})" in words for _, words in told)
    assert "s3cret" not in str(told)
    assert warnings(tmp_path, text, 0o640, KEY="s3cret-value") == []


@pytest.mark.parametrize(
    ("listen", "token", "is_told"),
    [
        ("0.0.0.0:8081", "x", True),
        ("0.0.0.0:8081", " " * 40, True),
        ("0.0.0.0:8081", "x" * 15, True),
        ("0.0.0.0:8081", "x" * 16, False),
        ("127.0.0.1:8081", "x", False),
    ],
)
def test_an_admin_token_that_can_be_guessed_from_outside_is_warned_of(
    tmp_path: Path, listen: str, token: str, is_told: bool
) -> None:
    told = warnings(tmp_path, f'[admin]\nlisten = "{listen}"\ntoken = {{ env = "TOKEN" }}', TOKEN=token)
    assert [key for key, _ in told] == ["admin.token"] * is_told


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that every user may enter."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        yield folder


def test_a_secret_that_the_user_of_the_service_may_not_read_is_warned_of(open_folder: Path) -> None:
    secret = open_folder / "key"
    secret.write_text("s3cret-value")
    uid, gid = os.geteuid() + 1, os.getegid() + 1

    def barred(mode: int, uid: int = uid, gid: int = gid) -> bool:
        secret.chmod(mode)
        return bool(list(unreadable_files({"settings.key": secret}, uid, gid)))

    assert barred(0o640)
    assert not barred(0o644)
    assert not barred(0o640, gid=os.getegid())
    assert not barred(0o600, uid=os.geteuid())
    assert not barred(0o600, uid=0)
    open_folder.chmod(0o700)
    assert barred(0o644)


def test_who_may_read_secrets_is_told_to_an_operator_beside_a_running_service_only(open_folder: Path) -> None:
    (open_folder / "key").write_text("s3cret-value")
    (open_folder / "key").chmod(0o600)
    path = open_folder / "config.toml"
    path.write_text(f'[[source]]\nname = "web"\nwrite_key = "k"\n{KEY_FILE}')
    path.chmod(0o644)
    service = Operator(os.geteuid() + 1, os.getegid() + 1)
    told = [warning.words for warning in read(path, {}, service)[0].warnings]
    assert told == [
        f"the service runs as user {service.service_uid}, who may not read {open_folder}/key (see the mode of {open_folder}/key)"
    ]
    path.chmod(0o600)
    keys = [warning.key for warning in read(path, {}, service)[0].warnings]
    assert keys == ["config.toml", "destination[0] (hook).settings.shared_secret"]
    assert read(path, {}, Operator())[0].warnings == ()
    assert read(path, {})[0].warnings == ()


@needs_root
def test_no_advice_keeps_the_service_from_a_file(open_folder: Path) -> None:
    (open_folder / "key").write_text("s3cret-value")
    path = open_folder / "config.toml"
    path.write_text(f'[admin]\ntoken = "0123456789abcdef"\n[[source]]\nname = "web"\nwrite_key = "k"\n{KEY_FILE}')
    for file in (path, open_folder / "key"):
        file.chmod(0o644)

    def remedies(operator: Operator | None) -> list[str]:
        return [warning.words.rpartition("; ")[2] for warning in read(path, {}, operator)[0].warnings]

    into = "write them into files or credentials, and name these in it"
    assert remedies(None) == [f"chmod 600 {open_folder}/key", f"{into}, or chmod 600 {path}"], "root runs it"
    assert [one[:12] for one in remedies(Operator())] == ["pass it by L", "write them i"], "who runs it is not known"
    assert remedies(Operator(NOBODY, NOBODY))[1] == into
    os.chown(path, NOBODY, NOBODY)
    assert remedies(Operator(NOBODY, NOBODY))[1] == f"{into}, or chmod 600 {path}"


@needs_root
@pytest.mark.parametrize("verb", ["check", "serve", "status", "backup b.tar.zst"])
def test_a_config_that_this_user_cannot_read_is_a_faulty_one_and_no_wrong_usage(verb: str) -> None:
    with folder_of_nobody() as folder:
        path = folder / "config.toml"
        path.touch(0o600)
        assert main([*verb.split(), "--config", str(folder / "none.toml")]) == 78, "all is imported"
        assert as_nobody(lambda: str(main([*verb.split(), "--config", str(path)]))) == "78"
