"""What the daemon is measured against: the same work with something left out.

bare: an aiohttp handler that reads the body and answers. null: ingestion as it is, but nothing is stored. raw: rows into
SQLite, no duplicates looked for. store: the daemon's store without HTTP.
"""

from __future__ import annotations

import asyncio
import os
import random
import sqlite3
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import msgspec
from aiohttp import web

from router.bench.measure import Usage, foreign_share, read_usage
from router.bench.workload import BATCH, USERS, random_id, track_call, user_id
from router.clock import SystemClock
from router.config import load
from router.event import Call, Discard, Envelope
from router.ingest.auth import Sources
from router.ingest.server import make_app, make_runner
from router.store.sqlite import open_store

RAW_ROWS = 1000
APPENDERS = 8
READY_A_SECOND = 100_000
"""Calls made ready for each second: more than the store takes."""
_ANSWER = b'{"success": true}'

Say = Callable[[int], None]


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


async def until_input_ends() -> None:
    """Return when the parent closes this process's standard input."""
    ended = asyncio.Event()
    asyncio.get_running_loop().add_reader(sys.stdin, ended.set)
    await ended.wait()
    asyncio.get_running_loop().remove_reader(sys.stdin)


async def serve_bare(say: Say) -> None:
    """An aiohttp application that reads the body and answers 200."""

    async def answer(request: web.Request) -> web.Response:
        await request.read()
        return web.Response(body=_ANSWER, content_type="application/json")

    app = web.Application()
    app.router.add_post("/{path:.*}", answer)
    await _serve(web.AppRunner(app, access_log=None, auto_decompress=False), say)


class _NoStore:
    """An acceptor that answers at once."""

    async def accept(self, calls: list[Call], discards: list[Discard]) -> None:
        """Nothing is kept."""


async def serve_without_store(config: Path, say: Say) -> None:
    """Ingestion with the sources of this configuration, accepting into nothing."""
    app = make_app(_NoStore(), Sources(load(config).sources), SystemClock())
    await _serve(make_runner(app), say)


async def _serve(runner: web.AppRunner, say: Say) -> None:
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        say(runner.addresses[0][1])
        await until_input_ends()
    finally:
        await runner.cleanup()


def _usage() -> Usage:
    return read_usage(os.getpid(), (os.getpid(), os.getppid()))


def _stored(before: Usage, after: Usage, events: int) -> Stored:
    spans = after.at - before.at, after.cpu_s - before.cpu_s, after.written - before.written
    return Stored(spans[0], events, spans[1], spans[2], foreign_share(before, after))


def _body() -> bytes:
    return Envelope().line() + track_call(random_id(random.Random(1)), user_id(1))


def insert_raw(folder: Path, seconds: float) -> Stored:
    """Insert the rows that the log would get, a thousand a commit, as durable as the store."""
    chance, body = random.Random(1), _body()
    rows = [
        (0, None, 1_767_323_045_678, "bench", "track", f"u:{user_id(chance.randrange(USERS))}", random_id(chance), body)
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
        while time.perf_counter() - before.at < seconds:
            db.execute("BEGIN IMMEDIATE")
            db.executemany("INSERT INTO log VALUES (?, ?, ?, ?, ?, ?, ?, ?)", groups[commits % len(groups)])
            db.execute("COMMIT")
            commits += 1
        return _stored(before, _usage(), commits * RAW_ROWS)


async def append_to_store(folder: Path, seconds: float) -> Stored:
    """Append batches to the store, eight at a time, for this long or until the calls that are ready are used up."""
    batches = _batches(int(seconds * READY_A_SECOND))
    events = 0

    async def append() -> None:
        nonlocal events
        while batches and time.perf_counter() - before.at < seconds:
            await store.append(batches.pop(), [None] * BATCH, [])
            events += BATCH

    async with open_store(folder / "store.db", SystemClock, dedupe_window_s=86_400, min_free_bytes=0) as (store, _):
        before = _usage()
        await asyncio.gather(*(append() for _ in range(APPENDERS)))
        return _stored(before, _usage(), events)


def _batches(events: int) -> list[list[Call]]:
    """Calls made before the clock runs; they share one body, which the store does not look at."""
    chance, body, now = random.Random(2), _body(), SystemClock().now_ms()
    users = [f"u:{user_id(number)}" for number in range(USERS)]
    return [
        [Call("bench", "track", random_id(chance), chance.choice(users), now, body) for _ in range(BATCH)]
        for _ in range(events // BATCH)
    ]
