"""One SQLite connection in its own thread (aiosqlite), opened the way this store needs it.

Exactly one connection writes and checkpoints; all others are read-only. SQLite before 3.51.3 can damage a WAL when two
connections checkpoint at the same moment. Source: https://sqlite.org/wal.html
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote

import aiosqlite

from router.durable import make_file

T = TypeVar("T")

CHUNK = 1 << 20
START_WAIT_S = 10.0
"""How long a start waits for another process that holds a lock on the file."""
BUSY_MS = 1000
"""How long a transaction waits for one later on, before those who wait for its answer are told to come again."""


class Connection(aiosqlite.Connection):
    """An aiosqlite connection that can run a whole transaction in its thread with one hop instead of one a statement.

    The public methods of aiosqlite 0.22 take one statement each, so this one place uses two private names; its test names the
    version. Source: https://github.com/omnilib/aiosqlite/issues/19
    """

    begun = ended = 0  #: calls of `run`

    async def run(self, work: Callable[..., T], *args: Any) -> T:
        """Call `work(sqlite3 connection, *args)` in the connection's thread."""
        self.begun += 1
        try:
            result: T = await self._execute(work, self._conn, *args)  # type: ignore[no-untyped-call]
            return result
        finally:
            self.ended += 1


async def open_writer(path: Path) -> Connection:
    """The one writing connection. Raises sqlite3.Error or OSError where the file cannot be written."""
    make_file(path)  # before SQLite does: what it makes beside the store belongs to the owner of the store
    write_again(Path(f"{path}-wal"))
    return await _open(path, "rwc", _prepare_writer)


async def open_reader(path: Path) -> Connection:
    """A read-only connection; it never checkpoints."""
    return await _open(path, "ro", _prepare_reader)


def write_again(path: Path) -> None:
    """Write a file's bytes over themselves and sync them, if it is there.

    After a sync that failed, the kernel may take for clean what never reached the disk: it is still read, so the store would
    rely on it, and no later sync writes it. Source: https://wiki.postgresql.org/wiki/Fsync_Errors
    """
    try:
        file = os.open(path, os.O_RDWR)
    except FileNotFoundError:
        return
    try:
        at = 0
        while chunk := os.pread(file, CHUNK, at):
            at += os.pwrite(file, chunk, at)
        os.fsync(file)
    finally:
        os.close(file)


async def _open(path: Path, mode: str, prepare: Callable[[sqlite3.Connection], None]) -> Connection:
    uri = f"file:{quote(str(path))}?mode={mode}"
    connection = Connection(lambda: sqlite3.connect(uri, uri=True, isolation_level=None), iter_chunk_size=64)
    await connection
    try:
        await connection.run(prepare)
    except BaseException:
        await connection.close()
        raise
    return connection


def wait_no_longer(db: sqlite3.Connection) -> None:
    """The start is over."""
    db.execute(f"PRAGMA busy_timeout = {BUSY_MS}")


def _prepare_writer(db: sqlite3.Connection) -> None:
    db.execute(f"PRAGMA busy_timeout = {int(START_WAIT_S * 1000)}")
    db.execute("PRAGMA page_size = 8192")  # before the first table; best measured compromise of log and dedupe index
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("PRAGMA synchronous = FULL")  # NORMAL in WAL mode is not durable when COMMIT returns
    db.execute("PRAGMA wal_autocheckpoint = 1000")
    db.execute("PRAGMA journal_size_limit = 67108864")
    db.execute("PRAGMA cache_size = -24576")  # KiB; bounds memory, 64 MB was measured to bring nothing
    db.execute("PRAGMA temp_store = MEMORY")


def _prepare_reader(db: sqlite3.Connection) -> None:
    db.execute(f"PRAGMA busy_timeout = {BUSY_MS}")
    db.execute("PRAGMA cache_size = -8192")
    db.execute("PRAGMA query_only = ON")
