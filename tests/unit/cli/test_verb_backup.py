"""`backup` and `restore` on the command line: how they show how far they are, and what ends them."""

from __future__ import annotations

import errno
import json
import os
import signal
from pathlib import Path

import pytest

from router.cli import main
from router.cli.bytes_progress import BytesProgress
from router.cli.endpoint import Failed
from router.cli.verbs.backup import interruptible
from router.store.sqlite.migrations import SCHEMA
from tests.contract.old_stores import unpack
from tests.unit.cli.fake_clock import FakeClock


def test_without_a_terminal_there_is_a_line_every_five_seconds(capsys: pytest.CaptureFixture[str]) -> None:
    clock = FakeClock()
    with BytesProgress(clock) as progress:
        progress.begin("copying", 200)
        for done in (10, 50, 200):
            clock.now_s += 3.0
            progress.at(done)
        progress.begin("checking", 0)
        clock.now_s += 6.0
        progress.at(0)
    assert capsys.readouterr().err.splitlines() == ["copying, 25 %", "checking"]


def test_for_a_program_there_is_none(capsys: pytest.CaptureFixture[str]) -> None:
    clock = FakeClock()
    with BytesProgress(clock, is_silent=True) as progress:
        progress.begin("copying", 200)
        clock.now_s += 60.0
        progress.at(100)
    assert capsys.readouterr() == ("", "")


def test_sigterm_ends_the_work_as_ctrl_c_does() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(KeyboardInterrupt), interruptible(Path("b")):
        signal.raise_signal(signal.SIGTERM)
    assert signal.getsignal(signal.SIGTERM) == before


@pytest.mark.parametrize("named", [("/mnt/b",), ()], ids=["named", "not named"])
def test_what_the_machine_refuses_is_said_with_the_file(named: tuple[str, ...]) -> None:
    """A full disk is met by a write, and such an error names no file."""
    words = r"^/mnt/b: No space left on device; make room, or use another disk$"
    with pytest.raises(Failed, match=words), interruptible(Path("/mnt/b")):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), *named)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["new.tar.zst", "--keep", "3"], "new.tar.zst is the name of a file, and --keep is for a folder"),
        (["new.tar.zst/"], "new.tar.zst/ is the name of a file, and the / at its end is that of a folder"),
        (["config.toml/"], "config.toml/ is the name of a file, and the / at its end is that of a folder"),
        ([""], "it is empty: name a file or a folder"),
    ],
)
def test_a_name_that_does_not_agree_with_the_options_makes_nothing(
    words: list[str], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    unpack(SCHEMA, tmp_path)
    (tmp_path / "config.toml").write_text('[store]\nurl = "sqlite:router.db"\n')
    monkeypatch.chdir(tmp_path)
    before = sorted(tmp_path.iterdir())
    assert main(["backup", *words]) == 2
    assert said in capsys.readouterr().err
    assert sorted(tmp_path.iterdir()) == before


def test_a_folder_that_is_called_like_a_file_may_be_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    unpack(SCHEMA, tmp_path)
    (tmp_path / "config.toml").write_text('[store]\nurl = "sqlite:router.db"\nmin_free = "1MB"\n')
    (tmp_path / "all.tar.zst").mkdir()
    monkeypatch.chdir(tmp_path)
    assert main(["backup", "all.tar.zst", "--keep", "1"]) == 0, capsys.readouterr().err


def test_nobody_else_can_read_what_is_written() -> None:
    before = os.umask(0o022)
    try:
        with interruptible(Path("b")):
            assert os.umask(0o077) == 0o077
        assert os.umask(0o022) == 0o022
    finally:
        os.umask(before)


def test_a_backup_that_is_made_is_told_also_if_an_older_one_cannot_be_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 0: what runs after it, such as ExecStartPost, is to take the new one away."""
    unpack(SCHEMA, tmp_path)
    config, folder = tmp_path / "config.toml", tmp_path / "backups"
    config.write_text('[store]\nurl = "sqlite:router.db"\nmin_free = "1MB"\n')
    command = ["backup", str(folder), "--keep", "1", "--config", str(config)]
    folder.mkdir()
    old = folder / "router.db.20200101T000000Z.tar.zst"
    old.touch()
    unlink = Path.unlink

    def refused(path: Path, missing_ok: bool = False) -> None:
        if path == old:
            raise PermissionError(errno.EPERM, os.strerror(errno.EPERM), str(path))
        unlink(path, missing_ok)

    monkeypatch.setattr(Path, "unlink", refused)
    assert main(command) == 0
    said = capsys.readouterr()
    [made] = [path for path in folder.iterdir() if path != old]
    assert str(made) in said.out
    assert f"older backups are still there, so the disk fills up: {old}: Operation not permitted" in said.err
    assert main([*command[:2], "--keep", "3", *command[4:], "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["not_removed"] == ""
