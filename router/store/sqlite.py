"""The embedded store: one SQLite file, one writing connection, two that only read."""

from __future__ import annotations

import asyncio
import fcntl
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import IO

from router.clock import Clock
from router.errors import StartError, StoreNewer
from router.event import Call, Discard
from router.store import (
    PART,
    CursorRow,
    DeadRow,
    Facts,
    Known,
    Letters,
    Loaded,
    LogRow,
    ParkedRow,
    ReplayRow,
    Step,
    SupplyRow,
    Waits,
    cursors,
    reads,
)
from router.store.connection import Connection, open_reader, open_writer
from router.store.dedupe import Dedupe
from router.store.migrate import migrate
from router.store.questions import Questions
from router.store.room import Room
from router.store.trim import Trimmer
from router.store.writer import Head, Writer


class SqliteStore:
    """Implements the Store protocol. Made by `open_store`, which owns its connections and its writer task."""

    def __init__(self, path: Path, room: Room, writer: Writer, reader: Connection, questions: Connection) -> None:
        self.path, self.room = path, room
        self.writer = writer
        self.questions = Questions(questions, writer.now_ms)
        self._reader = reader

    @property
    def head(self) -> int:
        return self.writer.head.pos

    def watch(self, wake: Callable[[], None]) -> None:
        self.writer.watchers.append(wake)

    def unwatch(self, wake: Callable[[], None]) -> None:
        """Stop calling `wake`."""
        self.writer.watchers.remove(wake)

    def keep_for(self, destinations: Iterable[str]) -> None:
        """What these destinations have not read yet stays, however old it is."""
        self.writer.trimmer.destinations = frozenset(destinations)

    async def append(
        self, calls: Sequence[Call], facts: Sequence[Facts | None], discards: Sequence[Discard]
    ) -> list[int]:
        return await self.writer.append(calls, facts, discards)

    async def commit(self, step: Step) -> list[tuple[str, str]]:
        return await self.writer.commit(step)

    async def read(self, after: int, limit: int, max_bytes: int) -> list[LogRow]:
        newest = self.writer.tail.read(after, limit, max_bytes)
        return await self._reader.run(reads.log_rows, after, limit, max_bytes) if newest is None else newest

    async def known(self, user_keys: Sequence[str], group_ids: Sequence[str]) -> Known:
        return await self._reader.run(reads.known, user_keys, group_ids)

    async def load(self, destination: str, user_keys: Sequence[str], state_keys: Sequence[str]) -> Loaded:
        return await self._reader.run(reads.load, destination, user_keys, state_keys)

    async def parked(
        self, destination: str, wants: Sequence[tuple[str, str, int]], limit: int
    ) -> list[tuple[list[ParkedRow], bool]]:
        return await self._reader.run(reads.parked, destination, wants, limit)

    async def due(self, destination: str, now_ms: int, limit: int) -> list[str]:
        return await self._reader.run(reads.due, destination, now_ms, limit)

    async def held_since(self, destination: str, before_ms: int, limit: int) -> list[str]:
        return await self._reader.run(reads.held_since, destination, before_ms, limit)

    async def waiting(self, destination: str) -> list[Waits]:
        return await self.questions.waiting(destination)

    async def due_timers(self, destination: str, now_ms: int, limit: int) -> list[tuple[str, int, str]]:
        return await self._reader.run(reads.due_timers, destination, now_ms, limit)

    async def next_due(self, destination: str, after_ms: int) -> int | None:
        return await self._reader.run(reads.next_due, destination, after_ms)

    async def has_lanes(self, destination: str) -> bool:
        return await self._reader.run(reads.has_lanes, destination)

    async def without_lane(
        self, destination: str, after: str, limit: int
    ) -> tuple[dict[str, tuple[int, int, int]], str | None]:
        return await self._reader.run(reads.without_lane, destination, after, limit)

    async def supplies(self, destination: str) -> list[SupplyRow]:
        return await self._reader.run(reads.supplies, destination)

    async def openings(self, destination: str) -> list[tuple[str, str]]:
        return await self._reader.run(reads.openings, destination)

    async def last_place(self, destination: str) -> int:
        return await self._reader.run(reads.last_place, destination)

    async def letters(self, destination: str, which: Letters, after: int, limit: int) -> list[DeadRow]:
        return await self._reader.run(reads.letters, destination, which, after, limit)

    async def count_letters(self, destination: str, which: Letters) -> int:
        return await self._reader.run(reads.count_letters, destination, which)

    async def oldest_letters(self, destination: str, limit: int) -> list[tuple[int, int, int]]:
        return await self._reader.run(reads.oldest_letters, destination, limit)

    async def span(self, since_ms: int, until_ms: int) -> tuple[int, int]:
        return await self._reader.run(reads.span, since_ms, until_ms)

    async def settled_rows(
        self, destination: str, after: int, last: int, types: Sequence[str], limit: int
    ) -> tuple[list[LogRow], dict[int, DeadRow], frozenset[int], int]:
        return await self._reader.run(reads.settled_rows, destination, after, last, types, limit)

    async def replay(self, destination: str) -> ReplayRow | None:
        return await self._reader.run(reads.replay, destination)

    async def cursor(self, destination: str, now_ms: int, mode: str = "live") -> CursorRow:
        return await self.writer.run_alone(cursors.open_cursor, destination, mode, now_ms)

    async def rejudge(self, destination: str, gate: str) -> None:
        await self.writer.run_alone(cursors.rejudge, destination, gate)

    async def forget(self, destination: str) -> dict[str, int]:
        """Drop all that is kept of a destination that is configured no more; returns what that was."""
        return await self.writer.run_alone(cursors.forget, destination)


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
        stack.enter_context(_lock(path))
        try:
            db = await open_writer(path)
            stack.push_async_callback(db.close)
            await db.run(migrate, path, clock_from(0).now_ms())
            mark, head, key = await db.run(_start)
            clock = clock_from(mark)
            readers = [await stack.enter_async_context(_reader(path)) for _ in range(2)]
            dedupe = Dedupe(key, int(dedupe_window_s * 1000))
            await db.run(dedupe.load)
            room = Room(path.parent, min_free_bytes, clock)
            writer = Writer(db, clock, head, dedupe, Trimmer(int(retention_s * 1000)), room.enough)
            await db.run(writer.codes.reload)
        except (sqlite3.Error, OSError) as error:
            raise StartError(f"store {path}: {error}: is it a store of segment-router, on a writable disk?") from None
        except StoreNewer as error:
            raise StartError(str(error)) from None
        running = asyncio.create_task(writer.run(), name="store-writer")
        try:
            yield SqliteStore(path, room, writer, *readers), clock
        finally:
            writer.close()
            await running


def _start(db: sqlite3.Connection) -> tuple[int, Head, bytes]:
    pos, duplicates, discarded, mark = db.execute(
        "SELECT pos, duplicates, discarded, clock FROM head WHERE part = ?", (PART,)
    ).fetchone()
    key = db.execute("SELECT value FROM meta WHERE key = 'hash_key'").fetchone()[0]
    return mark, Head(pos, duplicates, discarded), key


@asynccontextmanager
async def _reader(path: Path) -> AsyncIterator[Connection]:
    connection = await open_reader(path)
    try:
        yield connection
    finally:
        await connection.close()


def _lock(path: Path) -> IO[bytes]:
    """Hold a lock file beside the store for as long as the process lives: only one process writes a store."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = Path(f"{path}.lock").open("ab")  # noqa: SIM115 - the caller's exit stack closes it
    except OSError as error:
        raise StartError(
            f"store {path}: cannot write there ({error.strerror}): check store.url and its folder"
        ) from None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        lock.close()
        raise StartError(
            f"store {path}: another segment-router process is using it: stop that one, or set another store.url"
        ) from None
    return lock
