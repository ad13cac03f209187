"""The private names of the router that the tests of its delivery side hold on to, all in one place: a rename is followed here."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from importlib import import_module
from random import Random
from types import SimpleNamespace
from typing import Any, NamedTuple
from unittest.mock import patch

import router.store.sqlite.connection
from router.decide.group_readiness import GroupReadiness
from router.deliver.commit.records import Outcome
from router.deliver.commit.unit_of_work import UnitOfWork
from router.deliver.lanes.delivery import Delivery
from router.deliver.lanes.lane import Lane
from router.deliver.lanes.lane_table import LaneTable
from router.deliver.runner import Runner
from router.deliver.send.http_client import Client, Exchange, OnDone, Reply
from router.deliver.send.kind_queue import KindQueue
from router.deliver.worker import Worker
from router.plugin import Answer, Request
from router.store.fate_words import RELEASED
from router.store.sqlite import ledger_reads
from router.store.sqlite.event_columns import DEAD, PARKED
from router.store.sqlite.group_commit import Writer
from router.store.sqlite.queries.fates import fate_of
from router.store.sqlite.queries.ledger import ledger
from router.store.sqlite.retention import Retention, Stored
from router.vocabulary import UNSETTLED, EventState, LaneMode, Line
from tests.contract.clients import VendorClient

__all__ = ["Delivery", "GroupReadiness", "Lane", "LaneTable", "UnitOfWork", "Writer"]

USER_EVENTS, USER_BYTES = 64, 1_000_000
"""What one user may hold of the window."""
COMMIT_EVENTS = 500
"""Events that one commit carries at the most, whatever the work is."""

DRAINING = "router.deliver.jobs.due_lanes.DRAINING"
MERGE_AT = "router.store.sqlite.dedupe.MERGE_AT"
OPEN_AFTER = "router.deliver.send.circuit_breaker.OPEN_AFTER"
REPLAYED_LANES, REPLAYED_SLICE = "router.deliver.jobs.replay.ON_THEIR_WAY", "router.deliver.jobs.replay.SLICE"
TRIM_PAUSE_MS = "router.store.sqlite.group_transaction.TRIM_PAUSE_MS"
WINDOW_EVENTS = "router.deliver.worker.WINDOW_EVENTS"
WINDOW_USER = "router.deliver.lanes.lane.MAX_WAITING"

BOUNDS = {
    DRAINING: (1, 2, 100),
    "router.deliver.jobs.orphan_repair.USERS": (1, 500),
    "router.deliver.jobs.due_lanes.REFILL": (1, 20),
    REPLAYED_LANES: (1, 2, 100),
    REPLAYED_SLICE: (1, 100),
    "router.deliver.lanes.scheduler.LIVE_LANES": (1, 2, 500),
    "router.deliver.lanes.scheduler.RETRY_LANES": (1, 100),
    "router.deliver.lanes.scheduler.RELEASE_LANES": (1, 2, 100),
    "router.deliver.lanes.lane_runner.MAX_LOOKAHEAD": (1, 50),
    "router.deliver.lanes.parked_rows.ROWS_PER_LANE": (1, 10),
    "router.deliver.worker.READ_EVENTS": (1, 3, 500),
    WINDOW_EVENTS: (6, 2000),
    "router.deliver.worker.AHEAD_EVENTS": (2, 1000),
    "router.deliver.commit.unit_of_work.BATCH_EVENTS": (3, 500),
    "router.deliver.operations.DROP_SLICE": (1, 200),
    "router.store.sqlite.apply_commit.OPEN_SLICE": (1, 500),
    "router.store.sqlite.replay_reads.LOOKED_THROUGH": (2, 1000),
    "router.store.log_cache.TAIL_EVENTS": (0, 2, 5000),
}
"""Sizes of slices and the like, of which each seed takes some that are met at once in a small world."""

LATER_BOUNDS: dict[str, tuple[Any, ...]] = {
    WINDOW_USER: (1, 2, 64),
    "router.store.sqlite.retention.LEAST_ROWS": (1, 5, 200),
    "router.deliver.send.batcher.ITEM_BYTES": tuple(dict.fromkeys(Line, most) for most in (1, 100, 4_000_000)),
    "router.deliver.send.batcher.SENT_BYTES": (1, 100, 8_000_000),
    "router.deliver.lanes.parked_rows.BYTES_PER_ROUND": (1, 1_000_000),
    "router.store.sqlite.replay_reads.SLICE_BYTES": (1, 1_000_000),
    "router.store.sqlite.dedupe.FEW": (1, 4_096),
}
"""The same, drawn apart, so that older seeds stay what they are. A name that the router does not have yet is left out."""

BYTES = (
    "router.deliver.send.batcher.ITEM_BYTES",
    "router.deliver.send.batcher.SENT_BYTES",
    "router.deliver.lanes.parked_rows.BYTES_PER_ROUND",
)
"""Those of them that bound bytes on the way to a vendor. The last size of each is the router's own."""


def bound(name: str) -> int | None:
    """What this name ("package.module.NAME") stands at now; None where the router does not have it."""
    module, _, attribute = name.rpartition(".")
    return getattr(import_module(module), attribute, None)


def user_events() -> int:
    """How many events of one user may stand in memory, now."""
    return bound(WINDOW_USER) or USER_EVENTS


# ---------------------------------------------------------------- what stands in for the outer world


@contextmanager
def network(exchange: Callable[[str, Request], Awaitable[Answer]], mine: str) -> Iterator[None]:
    """Requests to URLs that begin with `mine` end in `exchange(name of the destination, request)`, all others on the network."""
    real = Runner._open_client

    @asynccontextmanager
    async def door(runner: Runner) -> AsyncIterator[Client]:
        name = runner.destination.name
        async with real(runner) as outside:
            client = Door(VendorClient(lambda request: exchange(name, request)), outside, mine)
            try:
                yield client
            finally:
                await client.close()

    with patch.object(Runner, "_open_client", door):
        yield


class Door:
    """A client that plays the vendor in memory for some URLs."""

    def __init__(self, inside: Client, outside: Client, mine: str) -> None:
        self._inside, self._outside, self._mine = inside, outside, mine

    @property
    def in_flight(self) -> int:
        return self._inside.in_flight + self._outside.in_flight

    def _chosen(self, request: Request) -> Client:
        return self._inside if request.url.startswith(self._mine) else self._outside

    def start(self, request: Request, on_done: OnDone) -> Exchange:
        return self._chosen(request).start(request, on_done)

    async def send(self, request: Request) -> Reply:
        return await self._chosen(request).send(request)

    async def close(self) -> None:
        await self._inside.close()


@contextmanager
def connections(connection: type[Any], connect: Callable[..., sqlite3.Connection]) -> Iterator[None]:
    """The store opens its connections through these."""
    standing_in = SimpleNamespace(connect=connect, Error=sqlite3.Error, Connection=sqlite3.Connection)
    module = router.store.sqlite.connection
    with patch.object(module, "Connection", connection), patch.object(module, "sqlite3", standing_in):
        yield


@contextmanager
def hash_keys(random: Random) -> Iterator[None]:
    """The keys of a new store come from here: into how many pieces a run of message ids falls depends on their hashes."""
    with patch("router.store.sqlite.migrations.os", SimpleNamespace(urandom=random.randbytes)):
        yield


@contextmanager
def noting_deaths(note: Callable[[str, str], None]) -> Iterator[None]:
    """`note(destination, message id)` of every event that dies, also if a crash takes that back."""
    bury = UnitOfWork.bury

    def noted(work: UnitOfWork, delivery: Delivery, reason: str, detail: str) -> None:
        note(work._destination, delivery.log_event.message_id)
        bury(work, delivery, reason, detail)

    with patch.object(UnitOfWork, "bury", noted):
        yield


@contextmanager
def noting_filtered(note: Callable[[str, str], None]) -> Iterator[None]:
    """`note(destination, message id)` of every event that is filtered, also if a crash takes that back."""
    settle, settle_live = UnitOfWork.settle, UnitOfWork.settle_live

    def noted(work: UnitOfWork, delivery: Delivery, state: str, *rest: Any) -> None:
        if state == EventState.FILTERED:
            note(work._destination, delivery.log_event.message_id)
        settle(work, delivery, state, *rest)

    def noted_live(work: UnitOfWork, positions: Sequence[int], outcome: Outcome, *rest: Any) -> None:
        if outcome[0] == EventState.FILTERED:
            for pos in positions:
                note(work._destination, work.unsettled[pos].log_event.message_id)
        settle_live(work, positions, outcome, *rest)

    with patch.object(UnitOfWork, "settle", noted), patch.object(UnitOfWork, "settle_live", noted_live):
        yield


@contextmanager
def hook_time(reading: Callable[[], float]) -> Iterator[None]:
    """Hooks are timed by this instead of the machine's clock, and have a processor whenever they want one."""
    watch = "router.plugin_host.hook_watch"
    with patch(f"{watch}.perf_counter", reading), patch(f"{watch}.waited_s", lambda: 0.0):
        yield


@contextmanager
def before_trimming(look: Callable[[sqlite3.Connection, int], None]) -> Iterator[None]:
    """`look(db, instant)` before each slice of trimming: what is older than the instant (ms) may go."""
    trim = Retention.slice

    def watched(retention: Retention, db: sqlite3.Connection, stored: Stored, now_ms: int) -> int:
        look(db, now_ms - retention._retention_ms)
        return trim(retention, db, stored, now_ms)

    with patch.object(Retention, "slice", watched):
        yield


# ---------------------------------------------------------------- a destination's memory


def window(runner: Runner) -> dict[str, tuple[int, int]]:
    """By user key: events in memory that were read from the log and are not settled, and their bytes."""
    held: Counter[str] = Counter()
    size: Counter[str] = Counter()
    for delivery in runner._worker.state.work.unsettled.values() if runner._worker is not None else ():
        held[delivery.user_key] += 1
        size[delivery.user_key] += len(delivery.log_event.body)
    return {key: (events, size[key]) for key, events in held.items()}


def rows_in_memory(runner: Runner) -> int:
    """Parked rows that were read and wait in memory for their turn or for an answer."""
    if runner._worker is None:
        return 0
    lanes = list(runner._worker.state.lanes)
    read = sum(len(queue.buffer) for lane in lanes for queue in (lane.held, lane.main))
    return read + sum(lane.current is not None and lane.current.is_parked for lane in lanes)


def most_rows_in_memory(concurrency: int) -> int:
    """What bounds them: the lanes that drain at a time, with a few rows of each queue, and what is on its way."""
    from router.deliver.jobs import due_lanes, replay
    from router.deliver.lanes import parked_rows

    draining = 2 * due_lanes.DRAINING + replay.ON_THEIR_WAY + replay.SLICE
    return draining * (2 * parked_rows.ROWS_PER_LANE + 1) + concurrency


def state_bytes(runner: Runner) -> int:
    """What the keyed state in memory takes."""
    assert runner._worker is not None
    return sum(len(value or b"") for value in runner._worker.core.mapper.plugin_state._values.values())


# ---------------------------------------------------------------- a destination's rows


class Row(NamedTuple):
    """A parked event. `body_bytes`: of the event it refers to; `has_body`: that is there."""

    pos: int
    user_key: str
    queue: str
    state: str
    message_id: str
    body_bytes: int
    has_body: bool


def parked_rows(db: sqlite3.Connection, destination: str) -> list[Row]:
    """All parked events. What a timer returned has items and never had a body; a row has no body of its own."""
    rows = db.execute(
        f"SELECT pos, user_key, queue, state, message_id, length(body), body IS NOT NULL FROM ({PARKED} WHERE p.destination = ?)",
        (destination,),
    )
    return [Row(pos, key, queue, state, m, size or 0, bool(body)) for pos, key, queue, state, m, size, body in rows]


def parked_bytes(rows: list[Row]) -> int:
    """What the destination's counter of them says: the bodies that they refer to."""
    return sum(row.body_bytes for row in rows)


def second_sendings(db: sqlite3.Connection, destination: str) -> dict[str, tuple[int, int]]:
    """By state how many of them wait: as counted, and as there are rows."""
    rows = "SELECT count(*) FROM parked p WHERE p.destination = c.destination AND origin <> 0 AND state ="
    columns = ", ".join(f"again_{state}, ({rows} '{state}')" for state in UNSETTLED)
    told = db.execute(f"SELECT {columns} FROM cursor c WHERE destination = ?", (destination,)).fetchone()
    return dict(zip(UNSETTLED, zip(told[::2], told[1::2], strict=True), strict=True))


def letter_sizes(db: sqlite3.Connection, destination: str) -> dict[int, tuple[int, bool]]:
    """By position of a dead letter: what it counts for (bytes), and whether its body is there."""
    rows = db.execute(
        "SELECT pos, coalesce(length(body), 0) + coalesce(length(items), 0) + length(detail), body IS NOT NULL"
        f" FROM ({DEAD} WHERE d.destination = ?)",
        (destination,),
    )
    return {pos: (size, bool(body)) for pos, size, body in rows}


def lanes(db: sqlite3.Connection, destination: str) -> dict[str, tuple[int, int]]:
    """By user key of a blocked user: how many held and other rows its lane says there are."""
    rows = db.execute("SELECT user_key, held, main FROM lane WHERE destination = ?", (destination,))
    return {key: (held, main) for key, held, main in rows}


def retried_lanes(db: sqlite3.Connection, destination: str) -> dict[str, int]:
    """By user key of a user whose next attempt is awaited: when it is due (ms)."""
    rows = db.execute(
        "SELECT user_key, coalesce(due_at, 0) FROM lane WHERE destination = ? AND mode <> 'waiting'", (destination,)
    )
    return dict(rows.fetchall())


def fates(db: sqlite3.Connection, destination: str, message_ids: Iterable[str]) -> dict[str, tuple[str, str]]:
    """State and reason of events that the log still has."""
    found = {}
    for m in message_ids:
        row = db.execute("SELECT pos FROM log WHERE message_id = ?", (m,)).fetchone()
        if row is not None and (told := fate(db, destination, row[0])) is not None:
            found[m] = told
    return found


def fate(db: sqlite3.Connection, destination: str, pos: int) -> tuple[str, str] | None:
    """State and reason of the event at a position, by its row; None where the destination began later."""
    told = fate_of(db, destination, pos)
    if told is None:
        return None
    if told["reason"] != RELEASED:
        return told["state"], told["reason"]
    state, reason, lane_reason = db.execute(
        "SELECT p.state, p.reason, l.reason FROM parked p JOIN lane l USING (part, destination, user_key)"
        " WHERE p.destination = ?1 AND (p.pos = ?2 OR p.origin = ?2)",
        (destination, pos),
    ).fetchone()
    return state, lane_reason if lane_reason.startswith("group_") else reason


def shown_as_held(db: sqlite3.Connection, destination: str, positions: Iterable[int]) -> tuple[int, int]:
    """How many of these events people are told to be held: by `why`, and by the ledger."""
    fates = [fate_of(db, destination, pos) for pos in positions]
    told: int = ledger(db, [destination], 0)["destinations"][destination]["held"]
    return sum(fate is not None and fate["state"] == "held" for fate in fates), told


def miscounts(db: sqlite3.Connection, destination: str) -> dict[str, int]:
    """What the next start would correct of its counters."""
    return ledger_reads.miscounts(db, destination)


def forget_due_times(db: sqlite3.Connection) -> None:
    """Put every lane into a state that cannot be: tried again, and nobody says when."""
    db.execute("UPDATE lane SET due_at = NULL")


# ---------------------------------------------------------------- builds that are broken on purpose: see broken_builds.py


@contextmanager
def no_bound_per_user() -> Iterator[None]:
    """One user may fill the window."""
    with patch.object(Lane, "is_overflowing", property(lambda lane: False)):
        yield


@contextmanager
def one_line() -> Iterator[None]:
    """Retries and releases wait in one line, in the order in which they came due, and drain in the same places."""
    all_in_one = (
        (LaneMode.RETRY, (Line.RETRY, Line.LIVE, Line.RELEASE)),
        (LaneMode.WAITING, (Line.RETRY, Line.LIVE, Line.RELEASE)),
    )

    def released_first(queue: KindQueue, left_out: Line | None) -> list[Line]:
        return [line for line in (Line.RELEASE, Line.RETRY, Line.LIVE) if queue.lines[line]]

    with patch("router.deliver.jobs.due_lanes.GROUPS", all_in_one), patch.object(KindQueue, "in_turn", released_first):
        yield


@contextmanager
def forgets_trimmed_bodies() -> Iterator[None]:
    """Trimming forgets that rows need what the log loses."""

    def forgetful(db: sqlite3.Connection, after: int, last: int, *more: Any) -> int:
        return last

    with patch("router.store.sqlite.kept_events.keep_trimmed", forgetful):
        yield


def draining_lanes(worker: Worker) -> int:
    """How many lanes send parked events now."""
    return sum(lane.is_draining for lane in worker.state.lanes)
