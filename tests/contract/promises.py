"""What a store acknowledged, and whether it kept it: events appended and steps committed by several tasks at once.

One destination, "d", settles four of five events as delivered and holds every fifth; its keyed state says how far it is.
"""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

from router.errors import StoreFull
from router.event import Call
from router.store import ORDER_KEY_STEP, CommitBatch, LaneRow, ParkedRow
from router.testing.clock import START_MS, FakeClock
from router.vocabulary import LaneMode, Queue
from tests.contract.store_case import StoreCase, open_case

USERS = 7
EVERY = 5
"""Each position that is a multiple of this is held, the others are delivered."""


@asynccontextmanager
async def opened(folder: Path, *, trims: bool = False) -> AsyncIterator[StoreCase]:
    """The store in this folder; `trims`: whatever is settled goes at once."""
    clock = FakeClock(START_MS + 1000)
    async with open_case(
        folder / "router.db",
        lambda mark: clock,
        dedupe_window_s=86_400,
        min_free_bytes=0,
        retention_s=0.5 if trims else 86_400,
    ) as (store, _):
        yield store


@dataclass
class Promises:
    """Asks a store for things, and remembers what it said yes to. `now`: where in the story that was."""

    random: Random
    now: Callable[[], int] = lambda: 0
    events: list[tuple[int, str, int]] = field(default_factory=list)  #: (when, message id, position)
    steps: list[tuple[int, int]] = field(default_factory=list)  #: (when, cursor)
    asked: list[str] = field(default_factory=list)  #: every message id, acknowledged or not
    trims: bool = False
    settled: int = 0  #: where the cursor stands
    full: int = 0  #: how often the answer was that the disk is full

    async def story(self, store: StoreCase, appends: int, tasks: int = 3) -> None:
        """Some tasks append, one commits steps, until all are through. Raises StoreError when the store breaks."""
        if "d" not in store.held_claims:
            self.settled = (await store.cursor("d", START_MS)).pos
        async with asyncio.TaskGroup() as group:
            clients = [group.create_task(self._append_on(store, appends)) for _ in range(tasks)]
            group.create_task(self._step_on(store, clients))

    async def _append_on(self, store: StoreCase, appends: int) -> None:
        for _ in range(appends):
            await self.append(store, self.random.choice((1, 1, 2, 9)))

    async def _step_on(self, store: StoreCase, clients: Sequence[asyncio.Task[None]]) -> None:
        while not all(client.done() for client in clients) or self.settled < store.head:
            await self.step(store)

    async def append(self, store: StoreCase, n: int) -> None:
        """Events of random users, in one request; a full disk is asked again, with the same message ids."""
        calls = [self.call(f"m{len(self.asked) + i}") for i in range(n)]
        self.asked += [call.message_id for call in calls]
        while True:
            try:
                found = await store.append(calls, [None] * n, [])
                break
            except StoreFull:
                self.full += 1
                await asyncio.sleep(0)
        self.events += [(self.now(), call.message_id, pos) for call, pos in zip(calls, found, strict=True)]

    def call(self, message_id: str) -> Call:
        """A track of some user."""
        body = b"{}\n" + json.dumps({"type": "track", "fill": "x" * self.random.choice((0, 50, 3000))}).encode()
        return Call("website", "track", message_id, f"u:{self.random.randrange(USERS)}", START_MS, body)

    async def step(self, store: StoreCase) -> None:
        """Settle what came in since the last step, a little at a time."""
        first = self.settled + 1
        last = min(store.head, first + self.random.randrange(12))
        if last < first:
            await asyncio.sleep(0)
            return
        step = CommitBatch("d", pos=last, state={"how far": str(last).encode()}, at=START_MS)
        for row in await store.read(first - 1, last - first + 1, 1 << 30):
            if row.pos % EVERY:
                step.settled[row.pos] = ("delivered", "")
                step.count("delivered")
            else:
                step.park[row.pos] = parked(row.pos, row.message_id)
                step.lanes[f"u:{row.pos}"] = lane(f"u:{row.pos}")
                step.count("held")
        while True:
            try:
                await store.commit(step)
                break
            except StoreFull:
                self.full += 1
                await asyncio.sleep(0)
        self.settled = last
        self.steps.append((self.now(), last))

    async def check(self, folder: Path, until: int | None = None, *, twice: bool = True) -> None:
        """Open the store in this folder: all that was acknowledged before `until` must be there, and everything must agree.
        `twice`: every message is sent once more, as a client does that got no answer."""
        events = [(id, pos) for when, id, pos in self.events if until is None or when <= until]
        steps = [pos for when, pos in self.steps if until is None or when <= until]
        async with opened(folder, trims=self.trims) as store:
            await store.cursor("d", START_MS)
            gone = check_file(folder / "router.db", max(steps, default=0))
            assert self.trims or not gone
            known = dict(_rows(folder, "SELECT message_id, pos FROM log"))
            missing = [id for id, pos in events if pos > gone and known.get(id) != pos]
            assert not missing, f"{len(missing)} of {len(events)} acknowledged events are lost: {missing[:5]}"
            if twice and self.asked and not self.trims:
                before = store.head
                found = await store.append([self.call(id) for id in self.asked], [None] * len(self.asked), [])
                again = [id for id, pos in zip(self.asked, found, strict=True) if pos == 0]
                assert set(again) == set(known), "a message id is a duplicate if and only if it is in the log"
                assert store.head == before + len(self.asked) - len(again)


def check_file(path: Path, cursor: int) -> int:
    """The file is sound, positions have no gap, and the destination's cursor, rows, state and counters say one thing. Returns
    the last position that was trimmed."""
    folder = path.parent
    assert _rows(folder, "PRAGMA integrity_check") == [("ok",)]
    head = _rows(folder, "SELECT pos FROM head")[0][0]
    log = [pos for (pos,) in _rows(folder, "SELECT pos FROM log ORDER BY pos")]
    gone = int(log[0] if log else head + 1) - 1
    assert log == list(range(gone + 1, head + 1))
    pos, delivered, held = _rows(folder, "SELECT pos, delivered, held FROM cursor")[0]
    assert cursor <= pos <= head, f"acknowledged up to {cursor}, and the cursor is at {pos}"
    assert (delivered, held) == (pos - pos // EVERY, pos // EVERY)
    rows = [row for (row,) in _rows(folder, "SELECT pos FROM parked ORDER BY pos")]
    assert rows == list(range(EVERY, pos + 1, EVERY))
    assert len(_rows(folder, "SELECT user_key FROM lane")) == held
    assert _rows(folder, "SELECT value FROM state") == ([(str(pos).encode(),)] if pos else [])
    assert gone <= pos
    settled = max((n for n in range(gone + 1, pos + 1) if n % EVERY), default=0)
    assert (_rows(folder, "SELECT max(to_pos) FROM receipt")[0][0] or 0) == settled
    return gone


def _rows(folder: Path, sql: str) -> list[tuple[Any, ...]]:
    db = sqlite3.connect(f"file:{folder / 'router.db'}?mode=ro", uri=True)
    try:
        return db.execute(sql).fetchall()
    finally:
        db.close()


def parked(pos: int, message_id: str) -> ParkedRow:
    """The row of a held event, in a lane of its own."""
    return ParkedRow(
        pos, f"u:{pos}", Queue.HELD, pos * ORDER_KEY_STEP, "held", "group_unknown", START_MS, START_MS, "website", "track", message_id,
        "", "", b"{}\n{}", None, "", 0, 0,
    )  # fmt: skip


def lane(user_key: str) -> LaneRow:
    """The lane that goes with it."""
    return LaneRow(user_key, LaneMode.WAITING, user_key, "group_unknown", "", None, 0, 1, 0, START_MS, ORDER_KEY_STEP)
