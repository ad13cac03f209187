"""The outbox of one destination: mapped events wait here for a request, in the order they were mapped.

Fresh events and those that had to wait (retried, released, replayed) stand in two queues that take turns at the head of a
request: a million released at once delay nobody by more than one request.

A request carries items of one kind. Of one event it takes the first run of items of that kind; the next run goes after the
answer. As an event takes its turn only when its user's earlier ones are done, no user is ever in two requests.
"""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import Callable

import aiohttp
import msgspec
from aiolimiter import AsyncLimiter

from router.clock import Clock
from router.deliver.attempt import Attempt, deliver
from router.deliver.flow import Flow
from router.deliver.lanes import Entry
from router.destinations import Destination
from router.plugin import Batch, Item, Outcome

_size = msgspec.json.encode


class Part(msgspec.Struct):
    """What one event has in a request."""

    entry: Entry
    items: list[Item]


class Shipment(msgspec.Struct):
    """One request's worth: parts of different users, one kind."""

    kind: str
    parts: list[Part]

    @property
    def items(self) -> list[Item]:
        """All items, in order."""
        return [item for part in self.parts for item in part.items]


class Line:
    """The events that wait with items of one kind."""

    __slots__ = ("_backlog_next", "backlog", "fresh", "since")

    def __init__(self) -> None:
        self.fresh: deque[Entry] = deque()
        self.backlog: deque[Entry] = deque()  #: they had a row before
        self.since = 0  #: when the first of them began to wait (ms)
        self._backlog_next = False

    def __len__(self) -> int:
        return len(self.fresh) + len(self.backlog)

    def add(self, entry: Entry, *, first: bool) -> None:
        """`first`: before all others of its queue."""
        queue = self.backlog if entry.parked else self.fresh
        if first:
            queue.appendleft(entry)
        else:
            queue.append(entry)

    def in_turn(self) -> tuple[deque[Entry], deque[Entry]]:
        """Both queues, the one whose turn it is first."""
        if not (self.fresh and self.backlog):
            return (self.fresh, self.backlog) if self.fresh else (self.backlog, self.fresh)
        self._backlog_next = not self._backlog_next
        return (self.fresh, self.backlog) if self._backlog_next else (self.backlog, self.fresh)


Answered = Callable[[Shipment, Attempt, list[Outcome]], None]


class Outbox:
    """Forms requests from what is there, up to the destination's concurrency, while its flow lets them."""

    def __init__(
        self, destination: Destination, session: aiohttp.ClientSession, flow: Flow, clock: Clock, answered: Answered
    ) -> None:
        self._destination, self._session, self._flow, self._clock = destination, session, flow, clock
        self._answered = answered
        self._lines: dict[str, Line] = {}
        self._in_flight: dict[str, int] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        rate = destination.config.delivery.rate
        self._limiter = AsyncLimiter(rate.count, rate.per_s) if rate else None
        self._rate_ms = math.ceil(1000 * rate.per_s / rate.count) if rate else 0  #: between two requests, on average
        self._unpaid = 0  #: requests that were started and have not taken their part of the rate yet

    @property
    def in_flight(self) -> int:
        """Requests on their way."""
        return len(self._tasks)

    @property
    def waiting(self) -> int:
        """Events that wait for a request."""
        return sum(map(len, self._lines.values()))

    def add(self, entry: Entry, *, first: bool = False) -> None:
        """Queue an event by the kind of its first item; `first`: before all others (it was there already)."""
        assert entry.items
        kind = entry.items[0].kind
        line = self._lines.get(kind)
        if line is None:
            line = self._lines[kind] = Line()
        if not line:
            line.since = self._clock.now_ms()
        line.add(entry, first=first)

    def pump(self) -> int | None:
        """Start every request that may start now. Returns when a lingering batch wants another look (ms)."""
        look_again: int | None = None
        for kind, line in self._lines.items():
            batch = self._limits(kind)
            limit = min(batch.concurrency or self._destination.config.delivery.concurrency, 1000)
            while line and self._in_flight.get(kind, 0) < limit and self._may_start():
                ripe_at = line.since + int(batch.linger_s * 1000)
                if len(line) < batch.max_items and ripe_at > self._clock.now_ms():
                    look_again = min(ripe_at, look_again or ripe_at)
                    break
                if self._limiter is not None and not self._limiter.has_capacity(1 + self._unpaid):
                    # It waits here and not on its way: a pause must still find it, and a batch may grow.
                    room_at = self._clock.now_ms() + self._rate_ms
                    look_again = min(room_at, look_again or room_at)
                    break
                self._start(kind, self._pack(kind, line, batch))
        return look_again

    def _limits(self, kind: str) -> Batch:
        return self._destination.kinds.get(kind) or Batch()

    def _may_start(self) -> bool:
        concurrency = self._destination.config.delivery.concurrency
        return len(self._tasks) < concurrency and self._flow.may_send(len(self._tasks))

    def _pack(self, kind: str, line: Line, batch: Batch) -> Shipment:
        shipment = Shipment(kind, [])
        room_items, room_bytes = batch.max_items, batch.max_bytes
        queues = line.in_turn()
        if not self._flow.running:
            queues = self._probe_first(queues)
            room_items = 1
        packed = 0
        while room_items > 0 and (queue := queues[0] or queues[1]):
            entry = queue[0]
            if entry.share is not None:
                if packed >= entry.share:
                    break
                room_items = min(room_items, entry.share - packed)
            items, size = _first_run(entry, kind, room_items, batch)
            if shipment.parts and size > room_bytes:
                break
            queue.popleft()
            shipment.parts.append(Part(entry, items))
            packed += len(items)
            room_items -= len(items)
            room_bytes -= size
        if line:
            line.since = self._clock.now_ms()
        return shipment

    def _probe_first(self, queues: tuple[deque[Entry], deque[Entry]]) -> tuple[deque[Entry], deque[Entry]]:
        """A probe should not be the one event that may be the trouble: take a user that has not failed since."""
        for queue, other in (queues, queues[::-1]):
            for index, entry in enumerate(queue):
                if not self._flow.failed_recently(entry.lane.key):
                    del queue[index]
                    queue.appendleft(entry)
                    return queue, other
        return queues

    def _start(self, kind: str, shipment: Shipment) -> None:
        self._in_flight[kind] = self._in_flight.get(kind, 0) + 1
        self._unpaid += 1
        task = asyncio.create_task(self._send(kind, shipment), name=f"send-{self._destination.name}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _send(self, kind: str, shipment: Shipment) -> None:
        attempt = Attempt(self._destination, self._session, self._clock, self._limiter, is_paid=True)
        try:
            if self._limiter is not None:
                await self._limiter.acquire()
            self._unpaid -= 1
            outcomes = await deliver(self._destination, shipment.items, attempt)
        finally:
            self._in_flight[kind] -= 1
            task = asyncio.current_task()
            assert task is not None
            self._tasks.discard(task)  # before the answer is booked: a probe's place must be free by then
        self._answered(shipment, attempt, outcomes)

    def cancel(self) -> None:
        """Cut everything that is in flight."""
        for task in self._tasks:
            task.cancel()

    async def drain(self, deadline_s: float) -> None:
        """Wait for what is in flight; what has no answer by the deadline is cut and simply repeated later."""
        if self._tasks:
            _, late = await asyncio.wait(self._tasks, timeout=deadline_s)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)


def _first_run(entry: Entry, kind: str, room: int, batch: Batch) -> tuple[list[Item], int]:
    """The leading items of one kind, as many as a batch takes (at least one), and their bytes."""
    assert entry.items
    run: list[Item] = []
    size = 0
    for item in entry.items:
        if item.kind != kind or len(run) >= max(1, room):
            break
        bytes_ = len(_size(item.body)) if batch.max_items > 1 else 0
        if run and size + bytes_ > batch.max_bytes:
            break
        run.append(item)
        size += bytes_
    return run, size
