"""Kills the start of a store before each SQL statement and before each thing it does to a file: a run for each, in a copy of a folder.

    python -m tests.contract.killed_migration FOLDER RUNS

makes RUNS/0, RUNS/1, ... as SIGKILL left them. In the last one the store was open when it was killed.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import sqlite3
import sys
from pathlib import Path
from typing import Any

from router.store.sqlite.store import open_store
from router.testing.clock import FakeClock

TOUCHES = {"open", "os.rename", "os.remove", "os.listdir", "os.scandir"}
"""Audit events of Python: what a process does to files. https://docs.python.org/3/library/audit_events.html"""
OPENED = "opened"


def kill_before(n: int, folder: Path) -> None:
    """End this process before the nth statement or touch of the folder."""
    left = n

    def count(statement: str = "") -> None:
        nonlocal left
        left -= 1
        if left < 0:
            os.kill(os.getpid(), signal.SIGKILL)

    def hook(event: str, arguments: tuple[object, ...]) -> None:
        if event in TOUCHES and any(str(folder) in str(one) for one in arguments):
            count()

    def connect(*words: Any, **how: Any) -> sqlite3.Connection:
        connection: sqlite3.Connection = connect_as_ever(*words, **how)
        connection.set_trace_callback(count)  # called before each statement
        return connection

    connect_as_ever = sqlite3.connect
    sqlite3.connect = connect  # type: ignore[assignment]
    sys.addaudithook(hook)


async def start(folder: Path) -> None:
    """Open the store, as a daemon does, at the time that it is of. A file tells that it got so far; then it is killed."""
    async with open_store(folder / "router.db", FakeClock, dedupe_window_s=86_400, min_free_bytes=0):
        (folder / OPENED).touch()
        os.kill(os.getpid(), signal.SIGKILL)


def main(source: Path, runs: Path) -> None:
    """Run after run, until one gets so far as to open the store."""
    n, folder = 0, runs
    while not (folder / OPENED).exists():
        folder = runs / str(n)
        shutil.copytree(source, folder)
        child = os.fork()
        if child == 0:
            kill_before(n, folder)
            asyncio.run(start(folder))
        status = os.waitpid(child, 0)[1]
        assert status == signal.SIGKILL, (n, status)
        n += 1


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
