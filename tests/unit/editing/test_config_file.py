"""config.toml is written whole or not at all, and keeps its mode and owner. Real files, and a process that is really killed."""

from __future__ import annotations

import errno
import fcntl
import multiprocessing
import os
import signal
import stat
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from router.editing.config_file import (
    Conflict,
    NotWritable,
    alone,
    put_back,
    read_text,
    replace,
    why_not_writable,
    write_secret,
)

OLD, NEW = "old = 1\n" * 5000, "new = 2\n" * 5000


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "config.toml"
    path.write_text(OLD)
    path.chmod(0o640)
    return path


def test_the_new_text_has_the_mode_and_the_owner_of_the_old_one(config: Path) -> None:
    if os.geteuid() == 0:
        os.chown(config, 12_345, 23_456)
    before = config.stat()
    hash = replace(config, NEW, read_text(config).hash)
    after = config.stat()
    assert read_text(config) == (NEW, hash)
    assert (after.st_mode, after.st_uid, after.st_gid) == (before.st_mode, before.st_uid, before.st_gid)
    assert os.listdir(config.parent) == ["config.toml"]


def test_a_link_stays_and_the_file_that_it_names_is_written(config: Path, tmp_path: Path) -> None:
    folder = tmp_path / "etc"
    folder.mkdir()
    link = folder / "config.toml"
    link.symlink_to(config)
    replace(link, NEW, read_text(link).hash)
    assert link.is_symlink()
    assert config.read_text() == NEW


def test_a_file_that_changed_since_it_was_read_is_left_as_it_is(config: Path) -> None:
    hash = read_text(config).hash
    config.write_text("theirs")
    with pytest.raises(Conflict, match="was changed since you read it"):
        replace(config, NEW, hash)
    assert config.read_text() == "theirs"
    assert os.listdir(config.parent) == ["config.toml"]


KILLED = """
import os, signal, sys
from pathlib import Path
from router.editing import config_file
path = Path(sys.argv[1])
def die(*paths, **options):
    os.kill(os.getpid(), signal.SIGKILL)
setattr(os, sys.argv[2], die)
config_file.replace(path, "new = 2\\n" * 5000, config_file.read_text(path).hash)
"""


@pytest.mark.long
@pytest.mark.parametrize("step", ["fsync", "fchmod", "replace"])
def test_a_crash_before_the_rename_leaves_the_old_file_whole_and_the_next_write_works(config: Path, step: str) -> None:
    ended = subprocess.run([sys.executable, "-c", KILLED, str(config), step], cwd=Path(__file__).parents[3])
    assert ended.returncode == -signal.SIGKILL
    assert config.read_text() == OLD
    replace(config, NEW, read_text(config).hash)
    assert (config.read_text(), os.listdir(config.parent)) == (NEW, ["config.toml"])


def _hold(path: Path, ready: object, done: object) -> None:
    with alone(path):
        ready.set()  # type: ignore[attr-defined]
        done.wait(60)  # type: ignore[attr-defined]


def test_another_process_cannot_write_at_the_same_time(config: Path) -> None:
    context = multiprocessing.get_context("spawn")
    ready, done = context.Event(), context.Event()
    other = context.Process(target=_hold, args=(config, ready, done))
    other.start()
    try:
        assert ready.wait(60)
        with pytest.raises(Conflict, match="is being written by somebody else"), alone(config):
            pass
    finally:
        done.set()
        other.join()
    with alone(config):
        pass


def test_a_disk_without_locks_is_told_and_nothing_is_written(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_locks(*_: object) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", no_locks)
    with pytest.raises(NotWritable, match="cannot be locked: No locks available"), alone(config):
        pytest.fail("somebody else may write beside this")


def test_an_error_within_is_not_taken_for_one_of_the_lock(config: Path) -> None:
    with pytest.raises(FileExistsError), alone(config):
        raise FileExistsError("of the work itself")


def fails_for_folders(monkeypatch: pytest.MonkeyPatch) -> None:
    """The disk takes files, and not that they have other names."""
    flush = os.fsync

    def fsync(file: int) -> None:
        if stat.S_ISDIR(os.fstat(file).st_mode):
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        flush(file)

    monkeypatch.setattr(os, "fsync", fsync)


def test_a_write_that_fails_in_its_last_step_leaves_the_old_text(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fails_for_folders(monkeypatch)
    with pytest.raises(NotWritable, match="cannot be written: Input/output error"):
        replace(config, NEW, read_text(config).hash)
    assert (config.read_text(), config.stat().st_mode & 0o777) == (OLD, 0o640)
    assert os.listdir(config.parent) == ["config.toml"]


def test_a_secret_that_fails_in_its_last_step_has_its_old_value_or_is_not_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    old.write_text("one\n")
    fails_for_folders(monkeypatch)
    for path in (old, new):
        with pytest.raises(NotWritable):
            write_secret(path, "two")
    assert (old.read_text(), new.exists()) == ("one\n", False)


def test_where_the_folder_is_none_it_is_told(tmp_path: Path) -> None:
    with pytest.raises(NotWritable), alone(tmp_path / "none/config.toml"):
        pass
    with pytest.raises(NotWritable, match="cannot be written: No such file"):
        replace(tmp_path / "config.toml", NEW, "")


def test_a_secret_is_for_its_owner_only_from_the_first_byte_and_can_be_put_back(tmp_path: Path) -> None:
    path = tmp_path / "secrets/key"
    assert write_secret(path, "one") is None
    assert (path.read_text(), path.stat().st_mode & 0o777, path.parent.stat().st_mode & 0o777) == (
        "one\n",
        0o600,
        0o700,
    )
    path.chmod(0o644)
    before = write_secret(path, "two")
    assert (before, path.read_text(), path.stat().st_mode & 0o777) == (b"one\n", "two\n", 0o600)
    put_back(path, before)
    assert path.read_text() == "one\n"
    put_back(path, None)
    assert not path.exists()


def test_a_secret_whose_folder_is_a_file_is_told(tmp_path: Path) -> None:
    (tmp_path / "secrets").write_text("")
    with pytest.raises(NotWritable):
        write_secret(tmp_path / "secrets/key", "one")


@pytest.mark.parametrize("barred", ["folder", "file"])
def test_what_another_user_may_not_write_is_known_before_a_write_is_tried(barred: str) -> None:
    """In a process of another user: root may write everywhere."""
    if os.geteuid() != 0:
        pytest.skip("only root can become another user")
    with tempfile.TemporaryDirectory() as name:
        folder, config = Path(name), Path(name) / "config.toml"
        config.write_text(OLD)
        folder.chmod(0o755 if barred == "folder" else 0o777)
        config.chmod(0o666 if barred == "folder" else 0o644)
        if (child := os.fork()) == 0:
            os.setuid(65_534)
            words = f"the folder {folder}" if barred == "folder" else str(config)
            os._exit(0 if why_not_writable(config).startswith(f"{words} cannot be written") else 1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
