"""`backup` and `restore` on the command line: how they show how far they are, and what ends them."""

from __future__ import annotations

import errno
import os
import signal

import pytest

from router.cli.bytes_progress import BytesProgress
from router.cli.endpoint import Failed
from router.cli.verbs.backup import interruptible
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
    with pytest.raises(KeyboardInterrupt), interruptible():
        signal.raise_signal(signal.SIGTERM)
    assert signal.getsignal(signal.SIGTERM) == before


def test_what_the_machine_refuses_is_said_with_the_file() -> None:
    with pytest.raises(Failed, match=r"^/mnt/b: No space left on device$"), interruptible():
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "/mnt/b")


def test_nobody_else_can_read_what_is_written() -> None:
    before = os.umask(0o022)
    try:
        with interruptible():
            assert os.umask(0o077) == 0o077
        assert os.umask(0o022) == 0o022
    finally:
        os.umask(before)
