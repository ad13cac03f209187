"""The embedded store: one SQLite file, one writing connection, two that only read."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from router.clock import Clock
from router.durable import why_refused
from router.errors import StartError, StoreNewer
from router.store.disk_space import DiskSpace
from router.store.ports import Cluster, Commands
from router.store.rows import PART
from router.store.sqlite import regulation_rows
from router.store.sqlite.before_migration import refuse_newer
from router.store.sqlite.claims import SqliteClaims, SqliteDirectory
from router.store.sqlite.connection import START_WAIT_S, Connection, open_reader, open_writer, wait_no_longer
from router.store.sqlite.counters import SqliteCounters
from router.store.sqlite.dedupe import Dedupe
from router.store.sqlite.erasure import SqliteErasure
from router.store.sqlite.event_log import SqliteEventLog
from router.store.sqlite.group_commit import Writer
from router.store.sqlite.group_transaction import GroupTransaction
from router.store.sqlite.health import StoreHealth
from router.store.sqlite.locks import StoreFiles, is_busy, refuse_half_copied, refuse_half_restored
from router.store.sqlite.migrations import SCHEMA, migrate
from router.store.sqlite.notices import SqliteNotices
from router.store.sqlite.people import SqlitePeople
from router.store.sqlite.queries import Queries
from router.store.sqlite.queries.lookups import Lookups
from router.store.sqlite.reader import Reader
from router.store.sqlite.retention import Retention
from router.store.sqlite.sizes import SqliteSizes
from router.store.suppressions import Suppressions
from router.vocabulary import HEAD_REPAIRED


class SqliteStore:
    """Implements `ports.Store`. Made by `open_store`, which owns its connections and its writer task."""

    commands: Commands | None = None  #: nobody else uses the file
    repaired = ""
    upgraded = ""  #: of what schema it was, and where its copy is

    def __init__(
        self,
        path: Path,
        disk: DiskSpace,
        writer: Writer,
        connections: tuple[Reader, Connection],
        suppressions: Suppressions,
    ) -> None:
        reader, questions = connections
        slow = Reader(questions, writer.clock)
        self.path, self.disk, self.writer = path, disk, writer
        self.cluster: Cluster | None = None  #: it has one node
        self.log = SqliteEventLog(writer, reader)
        self.claims = SqliteClaims(writer, reader, slow)
        self.directory = SqliteDirectory(slow)
        self.health = StoreHealth(writer, disk)
        self.queries = self.input_reports = self.output_reports = Queries(questions, writer.now_ms)
        self.lookups = Lookups(questions, writer.now_ms)
        self.counters = SqliteCounters(writer, self.queries)
        self.notices = SqliteNotices(writer, slow)
        self.sizes = SqliteSizes(disk, writer, slow)
        self.people = SqlitePeople(path, writer, slow, suppressions)
        self.erasure = SqliteErasure(path, writer, slow)


@asynccontextmanager
async def open_store(
    path: Path,
    clock_from: Callable[[int], Clock],
    *,
    dedupe_window_s: float,
    min_free_bytes: int,
    retention_s: float = 7 * 86_400.0,
) -> AsyncIterator[tuple[SqliteStore, Clock]]:
    """Open, migrate and run a store; leaving commits what is pending and closes it.

    `clock_from` makes the clock from the stored high-water mark, so that router time never runs back over a restart.

    Raises:
        StartError: the file cannot be written, is in use, is not a store, or is a newer one.
    """
    async with AsyncExitStack() as stack:
        files = StoreFiles(path)
        stack.callback(files.close)
        path = files.path
        refuse_half_restored(path)
        refuse_half_copied(path)
        try:
            refuse_newer(path, SCHEMA, START_WAIT_S)
            db = await open_writer(path)
            stack.push_async_callback(db.close)
            upgraded = await db.run(migrate, path, clock_from(0).now_ms())
            mark, key, suppressions, repaired = await db.run(_start)
            clock = clock_from(mark)
            reader, questions = [await stack.enter_async_context(_reading(path)) for _ in range(2)]
            dedupe = Dedupe(key, int(dedupe_window_s * 1000))
            disk = DiskSpace(path, min_free_bytes, clock)
            retention = Retention(int(retention_s * 1000), dedupe.hash_of)
            transaction = GroupTransaction(dedupe, retention, files.check, clock.monotonic)
            await db.run(transaction.load)
            writer = Writer(db, clock, transaction, disk)
            await db.run(wait_no_longer)
            files.remember()
        except (sqlite3.Error, OSError) as error:
            raise StartError(_why(path, error)) from None
        except StoreNewer as error:
            raise StartError(str(error)) from None
        running = asyncio.create_task(writer.run(), name="store-writer")
        try:
            store = SqliteStore(path, disk, writer, (Reader(reader, clock), questions), suppressions)
            store.repaired, store.upgraded = repaired, upgraded
            yield store, clock
        finally:
            writer.close()
            await running


def _why(path: Path, error: Exception) -> str:
    """Why the store cannot be opened, and what to do."""
    if isinstance(error, sqlite3.Error) and is_busy(error):
        return (
            f"store {path}: another process (a backup, a copy, a sqlite3 shell?) holds a lock on it and did not let go"
            f" within {START_WAIT_S:.0f} s: end that one, then start again"
        )
    if isinstance(error, sqlite3.Error) and getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL:
        return f"store {path}: the disk is full: make room on {path.parent}, then start again"
    if refused := why_refused(*(Path(f"{path}{ending}") for ending in ("", "-wal", "-shm"))):
        return f"store {path}: {error}: {refused}"
    return f"store {path}: {error}: is it a store of segment-router, on a writable disk?"


def _start(db: sqlite3.Connection) -> tuple[int, bytes, Suppressions, str]:
    """The clock's high-water mark, the key of the hashes, who is suppressed, and in what the store contradicted itself. Waits for who holds a
    lock on the file."""
    db.execute("BEGIN IMMEDIATE")
    last = "(SELECT max(pos) FROM log)"  # of a position that was given out, none is given out again
    behind = db.execute(f"UPDATE head SET pos = {last} WHERE part = ? AND pos < {last}", (PART,)).rowcount
    db.execute("COMMIT")
    mark = db.execute("SELECT clock FROM head WHERE part = ?", (PART,)).fetchone()[0]
    key = db.execute("SELECT value FROM meta WHERE key = 'hash_key'").fetchone()[0]
    return mark, key, regulation_rows.suppressions(db), HEAD_REPAIRED if behind else ""


@asynccontextmanager
async def _reading(path: Path) -> AsyncIterator[Connection]:
    connection = await open_reader(path)
    try:
        yield connection
    finally:
        await connection.close()
