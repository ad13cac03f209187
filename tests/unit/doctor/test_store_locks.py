"""A process that keeps the daemon from writing is named, and nobody else is."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from router.clock import SystemClock
from router.doctor.finding import Level
from router.doctor.store_locks import store_locks
from router.in_thread import in_thread
from router.store.sqlite.store import open_store
from tests.unit.doctor.subjects import subject_in

BUSY = """
import sqlite3, sys
db = sqlite3.connect(sys.argv[1], isolation_level=None)
db.execute(sys.argv[2])
db.execute("SELECT * FROM head").fetchall()
print(flush=True)
sys.stdin.read()
"""


@contextmanager
def process(store: Path, statement: str) -> Iterator[int]:
    """One that has a transaction open."""
    command = [sys.executable, "-c", BUSY, str(store), statement]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as busy:
        assert busy.stdout is not None
        busy.stdout.readline()
        yield busy.pid
        busy.communicate()


async def test_a_process_that_can_keep_the_daemon_from_writing_is_named(tmp_path: Path) -> None:
    subject = subject_in(tmp_path)
    assert subject.store is not None
    assert list(store_locks(subject)) == [], "there is no store"
    async with open_store(subject.store, SystemClock, dedupe_window_s=60, min_free_bytes=0):
        assert list(store_locks(subject)) == []
        with process(subject.store, "BEGIN"):
            assert list(store_locks(subject)) == [], "who reads keeps nobody from writing"
        with process(subject.store, "BEGIN IMMEDIATE") as pid:
            found = await in_thread(lambda: list(store_locks(subject)))
    [one] = found
    assert one.level is Level.ERROR
    assert one.sentence.startswith(f"process {pid} (python")
    assert f"`ps {pid}`" in one.remedy


async def test_the_one_that_has_the_store_is_not_named(tmp_path: Path) -> None:
    """A test process is the daemon here, in a long transaction, such as an upgrade."""
    subject = subject_in(tmp_path)
    assert subject.store is not None
    async with open_store(subject.store, SystemClock, dedupe_window_s=60, min_free_bytes=0):
        with closing(sqlite3.connect(subject.store, isolation_level=None)) as db:
            db.execute("BEGIN IMMEDIATE")
            assert await in_thread(lambda: list(store_locks(subject))) == []
