"""The one writer: everything that is pending goes into one transaction, one fsync, then all who wait are answered.

No timer and no linger: while a group commits the next one gathers (24 to 32 single events a commit at 64 connections,
measured). A step of a destination runs in its own savepoint, so that its fault is its own.
"""

from __future__ import annotations

import asyncio
import itertools
import sqlite3
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import msgspec

from router.clock import Clock
from router.errors import StepFailed, StoreBusy, StoreClosed, StoreError, StoreFull
from router.event import Call, Discard
from router.store import PART, Facts, Step
from router.store.bulk import insert_many
from router.store.connection import Connection
from router.store.dedupe import Dedupe
from router.store.fold import fold
from router.store.steps import Codes, write_step
from router.store.tail import Tail
from router.store.trim import Trimmer

T = TypeVar("T")

GROUP_EVENTS, GROUP_BYTES = 4000, 4_000_000
PENDING_EVENTS, PENDING_BYTES = 20_000, 32_000_000
KEPT_DISCARDS = 10_000
STEPS_OWN = (sqlite3.IntegrityError, sqlite3.ProgrammingError, sqlite3.DataError)
"""Database errors that say something of the step, and nothing of the disk."""
FULL = frozenset({sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_SHMSIZE})
"""A full disk, met by a file or by the WAL's index in shared memory. It passes; nothing else that a disk says does."""
HEARD_EVERY = 300
"""Groups between two checkpoints whose faults are heard: SQLite keeps silent about those of its own."""


@dataclass
class _Append:
    calls: Sequence[Call]
    facts: Sequence[Facts | None]
    discards: Sequence[Discard]
    size: int
    done: asyncio.Future[list[int]]


@dataclass
class _Commit:
    step: Step
    done: asyncio.Future[list[tuple[str, str]]]


@dataclass
class Commits:
    """What was written since the start."""

    n: int = 0  #: transactions
    events: int = 0
    bytes: int = 0  #: of the calls as they were received
    seconds: float = 0.0  #: from the hand-over to the connection's thread until it is durable


class Head(msgspec.Struct):
    """Counters of the log, in memory as committed."""

    pos: int
    duplicates: int
    discarded: int


class Writer:
    """Owns the writing connection while `run` runs."""

    def __init__(
        self, db: Connection, clock: Clock, head: Head, dedupe: Dedupe, trimmer: Trimmer, has_room: Callable[[], bool]
    ) -> None:
        self.head = head
        self.tail = Tail()
        self.commits = Commits()
        self.codes = Codes()
        self.watchers: list[Callable[[], None]] = []
        self.dedupe, self.trimmer = dedupe, trimmer
        self._db, self._clock, self.now_ms = db, clock, clock.now_ms
        self.has_room = has_room
        self._sources: set[str] = set()
        self._appends: deque[_Append] = deque()
        self._commits: deque[_Commit] = deque()
        self._events = self._bytes = 0
        self._wake = asyncio.Event()
        self._closing = False
        self.broken = ""  #: why nothing can be written any more
        self.failed = asyncio.Event()
        self._unheard = 0  #: groups since a checkpoint could speak

    # ------------------------------------------------------------ asked from the event loop

    async def append(
        self, calls: Sequence[Call], facts: Sequence[Facts | None], discards: Sequence[Discard]
    ) -> list[int]:
        """Store events; positions in the same order, 0 for a duplicate. Durable on return."""
        size = sum([len(call.body) for call in calls])
        self._refuse_if_closed()
        if self._events + len(calls) > PENDING_EVENTS or self._bytes + size > PENDING_BYTES:
            raise StoreBusy
        if not self.has_room():
            raise StoreFull
        done: asyncio.Future[list[int]] = asyncio.get_running_loop().create_future()
        self._appends.append(_Append(calls, facts, discards, size, done))
        self._events += len(calls)
        self._bytes += size
        self._wake.set()
        return await done

    async def commit(self, step: Step) -> list[tuple[str, str]]:
        """Store one step, all or nothing. Durable on return."""
        self._refuse_if_closed()
        done: asyncio.Future[list[tuple[str, str]]] = asyncio.get_running_loop().create_future()
        self._commits.append(_Commit(step, done))
        self._wake.set()
        return await done

    async def run_alone(self, work: Callable[..., T], *args: object) -> T:
        """Run a small write of its own between two groups; durable on return. Raises StoreError where the disk refuses it."""
        self._refuse_if_closed()
        try:
            return await self._db.run(work, *args)
        except STEPS_OWN:
            raise
        except sqlite3.Error as error:
            raise self._refusal(error) from error

    def close(self) -> None:
        """Take nothing more; `run` ends once what is pending is stored."""
        self._closing = True
        self._wake.set()

    def _refuse_if_closed(self) -> None:
        if self._closing or self.broken:
            raise StoreClosed(f"the store cannot write: {self.broken}" if self.broken else None)

    # ------------------------------------------------------------ the loop

    async def run(self) -> None:
        """Commit group after group until closed and drained."""
        while True:
            if not self._appends and not self._commits:
                if self._closing:
                    return
                self._wake.clear()
                await self._wake.wait()
                continue
            appends, commits = self._take()
            await self._write(appends, commits)

    def _take(self) -> tuple[list[_Append], list[_Commit]]:
        appends: list[_Append] = []
        events = size = 0
        while self._appends and events < GROUP_EVENTS and size < GROUP_BYTES:
            append = self._appends.popleft()
            events += len(append.calls)
            size += append.size
            appends.append(append)
        self._events -= events
        self._bytes -= size
        commits = [
            commit for commit in self._commits if not commit.done.cancelled()
        ]  # a worker that is gone has no say
        self._commits.clear()
        return appends, commits

    async def _write(self, appends: list[_Append], commits: list[_Commit]) -> None:
        if self.broken:  # a sync after one that failed may succeed, and what the first one lost stays lost
            _refuse([*appends, *commits], lambda: StoreClosed(f"the store cannot write: {self.broken}"))
            return
        began = self._clock.monotonic()
        try:
            positions, steps, head = await self._db.run(self._transact, appends, commits, self._clock.now_ms())
        except sqlite3.Error as error:
            refusal = self._refusal(error)
            if appends and commits and not self.broken:
                await self._write([], commits)  # a small one may find its room: deliveries go on
                commits = []
            _refuse([*appends, *commits], lambda: type(refusal)(*refusal.args))
            return
        except Exception as error:
            await self._write_apart(error, appends, commits)
            return
        self.commits.n += 1
        self.commits.events += head.pos - self.head.pos
        self.commits.bytes += sum([append.size for append in appends])
        self.commits.seconds += self._clock.monotonic() - began
        self.head = head
        for append, found in zip(appends, positions, strict=True):
            self.tail.add(append.calls, found, append.size)
            if not append.done.done():
                append.done.set_result(found)
        for commit, outcome in zip(commits, steps, strict=True):
            if commit.done.done():
                continue
            if isinstance(outcome, Exception):
                commit.done.set_exception(StepFailed(f"{type(outcome).__name__}: {outcome}"))
            else:
                commit.done.set_result(outcome)
        if appends:
            for wake in self.watchers:
                wake()

    async def _write_apart(self, error: Exception, appends: list[_Append], commits: list[_Commit]) -> None:
        """Something in the group cannot be written at all (text that is no Unicode, say): find out what, and store the rest."""
        if not appends:
            refusal = self._refusal(error)
            _refuse(commits, lambda: type(refusal)(*refusal.args))
            return
        if len(appends) == 1 and not commits:
            if not appends[0].done.done():
                appends[0].done.set_exception(StoreError(f"the call cannot be stored: {type(error).__name__}: {error}"))
            return
        for append in appends:
            await self._write([append], [])
        if commits:
            await self._write([], commits)

    def _refusal(self, error: Exception) -> StoreError:
        """What everybody is told: nothing was stored. A full disk passes; anything else from the disk ends the writer."""
        if getattr(error, "sqlite_errorcode", None) in FULL:
            return StoreFull()
        code = getattr(error, "sqlite_errorname", type(error).__name__)
        self.broken = f"{code}: {error}"
        self.failed.set()
        return StoreError(f"the store cannot write: {self.broken}")

    # ------------------------------------------------------------ in the connection's thread

    def _transact(
        self, db: sqlite3.Connection, appends: list[_Append], commits: list[_Commit], now_ms: int
    ) -> tuple[list[list[int]], list[list[tuple[str, str]] | Exception], Head]:
        self._hear_checkpoint(db)
        db.execute("BEGIN IMMEDIATE")
        try:
            head = Head(self.head.pos, self.head.duplicates, self.head.discarded)
            positions = self._append_all(db, appends, head, now_ms)
            self.dedupe.merge(db)
            if appends:
                self.trimmer.slice(db, head.pos - self.head.pos, now_ms)
            steps = [self._step(db, commit.step) for commit in commits]
            db.execute(
                "UPDATE head SET pos = ?, duplicates = ?, discarded = ?, clock = ? WHERE part = ?",
                (head.pos, head.duplicates, head.discarded, now_ms, PART),
            )
            db.execute("COMMIT")
        except BaseException as error:
            try:
                self._take_back(db)
            except sqlite3.Error as another:  # no more a full disk: what is in memory would be taken for stored
                raise sqlite3.OperationalError(f"{error}; then, taking it back: {another}") from error
            raise
        return positions, steps, head

    def _take_back(self, db: sqlite3.Connection) -> None:
        if db.in_transaction:
            db.execute("ROLLBACK")
        self.codes.reload(db)
        self.dedupe.load(db)
        self._sources.clear()

    def _hear_checkpoint(self, db: sqlite3.Connection) -> None:
        """A database file that cannot be written would go unnoticed while the WAL grows and grows."""
        self._unheard += 1
        if self._unheard < HEARD_EVERY:
            return
        self._unheard = 0
        try:
            db.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
        except sqlite3.Error as error:
            if error.sqlite_errorcode not in FULL:
                raise

    def _remember_sources(self, db: sqlite3.Connection, names: set[str]) -> None:
        """Message ids are looked up source by source: their names must be known, also of those configured no more."""
        if not names <= self._sources:
            db.executemany("INSERT OR IGNORE INTO source VALUES (?)", [(name,) for name in names])
            self._sources = {row[0] for row in db.execute("SELECT name FROM source")}

    def _step(self, db: sqlite3.Connection, step: Step) -> list[tuple[str, str]] | Exception:
        db.execute("SAVEPOINT step")
        try:
            openings = write_step(db, step, self.codes, self.dedupe.hash_of)
        except Exception as error:
            if isinstance(error, sqlite3.DatabaseError) and not isinstance(error, STEPS_OWN):
                raise  # the store itself is at fault
            db.execute("ROLLBACK TO step")
            db.execute("RELEASE step")
            self.codes.reload(db)
            return error
        db.execute("RELEASE step")
        return openings

    def _append_all(self, db: sqlite3.Connection, appends: list[_Append], head: Head, now_ms: int) -> list[list[int]]:
        calls = [call for append in appends for call in append.calls]
        hashes = self.dedupe.hashes_of(calls)
        taken = self.dedupe.taken(db, hashes, now_ms) if calls else set()
        new, positions = self._place(hashes, taken, head)
        rows = [
            (PART, pos, c.received_at, c.source, c.type, c.user_key, c.message_id, c.body)
            for pos, c in zip(positions, calls, strict=True)
            if pos
        ]
        if rows:
            insert_many(db, "INSERT INTO log", rows)
            self.dedupe.add(new, range(head.pos - len(new) + 1, head.pos + 1), now_ms)
            self._remember_sources(db, {str(row[3]) for row in rows})
        self._fold(db, appends, positions)
        discards = [discard for append in appends for discard in append.discards]
        if discards:
            head.discarded += len(discards)
            _write_discards(db, discards)
        rest = iter(positions)
        return [list(itertools.islice(rest, len(append.calls))) for append in appends]

    def _place(self, hashes: list[int], taken: set[int], head: Head) -> tuple[list[int], list[int]]:
        """The hashes that are new, and a position for every event: 0 for a duplicate, also within the group."""
        before = head.pos
        if not taken and len(set(hashes)) == len(hashes):
            head.pos += len(hashes)
            return hashes, list(range(before + 1, head.pos + 1))
        new, positions = [], []
        for hashed in hashes:
            if hashed in taken:
                positions.append(0)
                continue
            taken.add(hashed)
            new.append(hashed)
            positions.append(before + len(new))
        head.pos += len(new)
        head.duplicates += len(hashes) - len(new)
        return new, positions

    def _fold(self, db: sqlite3.Connection, appends: list[_Append], positions: list[int]) -> None:
        """Tell the directory what the new events say."""
        rest = iter(positions)
        for append in appends:
            for facts, pos in zip(append.facts, rest, strict=False):
                if facts is not None and pos:
                    fold(db, pos, facts)


def _refuse(waiting: Sequence[_Append | _Commit], refusal: Callable[[], StoreError]) -> None:
    for one in waiting:
        if not one.done.done():
            one.done.set_exception(refusal())


def _write_discards(db: sqlite3.Connection, discards: list[Discard]) -> None:
    rows = [(PART, d.at, d.source, d.code, d.message, d.message_id, d.type, d.excerpt) for d in discards]
    db.executemany(
        "INSERT INTO discard (part, at, source, code, message, message_id, type, excerpt) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        rows,
    )
    db.executemany(
        "INSERT INTO discard_count VALUES (?, ?, ?, 1) ON CONFLICT (part, source, code) DO UPDATE SET n = n + 1",
        [(PART, d.source, d.code) for d in discards],
    )
    newest = db.execute("SELECT max(id) FROM discard").fetchone()[0]
    db.execute("DELETE FROM discard WHERE id <= ?", (newest - KEPT_DISCARDS,))
