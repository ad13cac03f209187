"""The store without HTTP, what it is measured against, and a store that is filled quickly.

raw: rows into SQLite, no duplicates looked for. store: the daemon's store, appended to without HTTP; or a database.
"""

from __future__ import annotations

import asyncio
import os
import random
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import msgspec

from router.bench.measure import Usage, foreign_share, read_usage
from router.bench.workload import BATCH, SOURCE, USERS, random_id, track_call, user_id
from router.clock import SystemClock
from router.event import Call, Envelope
from router.store import EventLog
from router.store.sqlite.store import open_store

RAW_ROWS = 1000
APPENDERS = 8
READY_A_SECOND = 100_000
"""Calls made ready for each second: more than the store takes."""
FILLED_A_COMMIT = 2_000


class Stored(msgspec.Struct, frozen=True):
    """What a run without HTTP came to."""

    seconds: float
    events: int
    cpu_s: float
    written: int
    foreign: float

    @property
    def rate(self) -> float:
        """Events a second."""
        return self.events / self.seconds

    @property
    def rate_per_cpu(self) -> float:
        """Events a second of processor time."""
        return self.events / self.cpu_s if self.cpu_s else 0.0


def _usage() -> Usage:
    return read_usage(os.getpid(), (os.getpid(), os.getppid()))


def _stored(before: Usage, after: Usage, events: int) -> Stored:
    spans = after.at - before.at, after.cpu_s - before.cpu_s, after.written - before.written
    return Stored(spans[0], events, spans[1], spans[2], foreign_share(before, after))


_BODY = Envelope().line() + track_call(random_id(random.Random(1)), user_id(1))


def insert_raw(folder: Path, seconds: float) -> Stored:
    """Insert the rows that the log would get, a thousand a commit, as durable as the store."""
    chance, body = random.Random(1), _BODY
    rows = [
        (0, None, 1_767_323_045_678, SOURCE, "track", f"u:{user_id(chance.randrange(USERS))}", random_id(chance), body)
        for _ in range(20 * RAW_ROWS)
    ]
    groups = [rows[at : at + RAW_ROWS] for at in range(0, len(rows), RAW_ROWS)]
    with closing(sqlite3.connect(folder / "raw.db", isolation_level=None)) as db:
        for pragma in ("page_size = 8192", "journal_mode = WAL", "synchronous = FULL"):
            db.execute(f"PRAGMA {pragma}")
        db.execute(
            "CREATE TABLE log (part INTEGER NOT NULL, pos INTEGER PRIMARY KEY, received_at INTEGER NOT NULL, source TEXT NOT NULL,"
            " type TEXT NOT NULL, user_key TEXT NOT NULL, message_id TEXT NOT NULL, body BLOB NOT NULL)"
        )
        commits, before = 0, _usage()
        while not commits or time.perf_counter() - before.at < seconds:
            db.execute("BEGIN IMMEDIATE")
            db.executemany("INSERT INTO log VALUES (?, ?, ?, ?, ?, ?, ?, ?)", groups[commits % len(groups)])
            db.execute("COMMIT")
            commits += 1
        return _stored(before, _usage(), commits * RAW_ROWS)


async def append_to_store(folder: Path, seconds: float) -> Stored:
    """Append batches to the store, eight at a time, for this long or until the calls that are ready are used up."""
    batches = _batches(int(seconds * READY_A_SECOND), random.Random(2))
    async with open_store(folder / "store.db", SystemClock, dedupe_window_s=86_400, min_free_bytes=0) as (store, _):
        return await _append(store.log, batches, seconds)


async def append_to_database(url: str, seconds: float, seed: int, wait: Callable[[], object]) -> Stored:
    """The same to a database, once it has waited."""
    from router.store.postgres.store import open_postgres

    batches = _batches(int(seconds * READY_A_SECOND), random.Random(seed))
    async with open_postgres(url, SystemClock, dedupe_window_s=86_400) as (store, _):
        await asyncio.to_thread(wait)
        return await _append(store.log, batches, seconds)


async def _append(log: EventLog, batches: list[list[Call]], seconds: float) -> Stored:
    events = 0

    async def append() -> None:
        nonlocal events
        while batches and (not events or time.perf_counter() - before.at < seconds):
            await log.append(batches.pop(), [None] * BATCH, [])
            events += BATCH

    before = _usage()
    await asyncio.gather(*(append() for _ in range(APPENDERS)))
    return _stored(before, _usage(), events)


def _batches(events: int, chance: random.Random) -> list[list[Call]]:
    """Calls made before the clock runs; they share one body, which the store does not look at."""
    return [_calls(BATCH, chance) for _ in range(events // BATCH)]


def _calls(n: int, chance: random.Random) -> list[Call]:
    now, body = SystemClock().now_ms(), _BODY
    return [
        Call(SOURCE, "track", random_id(chance), f"u:{user_id(chance.randrange(USERS))}", now, body) for _ in range(n)
    ]


async def fill_store(path: Path, events: int) -> int:
    """Append so many events to a store that no daemon has open. Returns how many were taken."""
    taken, chance = 0, random.Random()
    async with open_store(path, SystemClock, dedupe_window_s=86_400, min_free_bytes=0) as (store, _):
        while taken < events:
            calls = _calls(min(FILLED_A_COMMIT, events - taken), chance)
            taken += sum(pos > 0 for pos in await store.log.append(calls, [None] * len(calls), []))
    return taken
