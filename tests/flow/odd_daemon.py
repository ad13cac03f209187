"""A daemon on a machine whose disk and wall clock do what a test says."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.faulty_vfs import Unreachable, faulty_disk
from tests.flow import harness
from tests.flow.harness import Daemon, Table
from tests.flow.odd_machine import DISK, WALL


class OddDaemon(Daemon):
    """`expected`: errors in its log that the test is about."""

    def __init__(self, folder: Path, destinations: Sequence[Table], *expected: str, **tables: Table) -> None:
        super().__init__(folder, destinations, **tables)
        self.expected = expected

    def disk(self, *faults: str) -> None:
        """From now on these calls fail (`sync wal IOERR_FSYNC`); none: the disk is well again."""
        _put(self.folder / DISK, "\n".join(faults))

    def wall(self, seconds: float) -> None:
        """From now on the wall clock is wrong by this much."""
        _put(self.folder / WALL, str(seconds))

    def assert_no_fault(self) -> None:
        faults = [line for line in self.log() if line["level"] == "error" and line["event"] not in self.expected]
        assert not faults, faults[0]


def _put(path: Path, words: str) -> None:
    if not words:
        path.unlink(missing_ok=True)
        return
    partial = path.with_suffix(".partial")
    partial.write_text(words)
    partial.rename(path)


@pytest.fixture
def odd_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a daemon on such a machine."""
    try:
        with faulty_disk():
            pass
    except Unreachable as error:
        pytest.skip(str(error))
    command = [sys.executable, "-m", "tests.flow.odd_machine", str(tmp_path), "serve", "--config"]
    monkeypatch.setattr(harness, "serve_command", lambda config: [*command, str(config)])
    return tmp_path
