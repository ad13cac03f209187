"""A daemon on a machine whose disk and wall clock do what a test says."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import aiohttp
import pytest

from tests.faulty_vfs import Unreachable, faulty_disk
from tests.flow import harness
from tests.flow.harness import Daemon, Table
from tests.flow.odd_machine import DISK, TUNING, WALL


class OddDaemon(Daemon):
    """`expected`: errors in its log that the test is about."""

    def __init__(self, folder: Path, destinations: Sequence[Table], *expected: str, **tables: Table) -> None:
        super().__init__(folder, destinations, **tables)
        self.expected = expected

    def disk(self, *faults: str) -> None:
        """From now on these calls fail (`sync wal IOERR_FSYNC`); none: the disk is well again."""
        _put(self.folder / DISK, "\n".join(faults))

    def tune(self, line: str) -> None:
        """Run this line of Python before each start."""
        _put(self.folder / TUNING, line)

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


class FullDaemon(OddDaemon):
    """One whose disk has too little room from the start."""

    async def is_ready(self) -> bool:
        try:
            status, body = await self.admin("GET", "/readyz")
        except aiohttp.ClientError:
            return False
        return status == 503 and bool(body["problems"])


@pytest.fixture
def odd_machine(tmp_path: Path) -> Iterator[Path]:
    """The folder of a daemon on such a machine."""
    with on_odd_machine(tmp_path):
        yield tmp_path


@contextmanager
def on_odd_machine(folder: Path) -> Iterator[None]:
    """Daemons of this folder start on such a machine."""
    try:
        with faulty_disk():
            pass
    except Unreachable as error:
        pytest.skip(str(error))
    command = [sys.executable, "-m", "tests.flow.odd_machine", str(folder), "serve", "--config"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(harness, "serve_command", lambda config: [*command, str(config)])
        yield
