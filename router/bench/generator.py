"""The load generator: keep-alive connections, each with one request on its way. Runs in a process of its own.

Closed loop: the next request of a connection leaves with the answer to the last one; with `window` only while few enough
events are on their way to the sink. Open loop (`rate`): requests leave on a schedule, whatever the answers do, and are timed from
the instant they were scheduled for.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter, deque
from typing import Protocol

from router.bench.http1 import ClientConnection
from router.bench.load import Load, Loaded
from router.bench.measure import foreign_share, percentile, read_usage
from router.bench.workload import request_maker

LAST_ANSWERS_S = 120.0


class Arrivals(Protocol):
    """The sink, as the generator sees it."""

    def least(self, destinations: int) -> int:
        """How many events came to each of so many destinations."""
        ...


class Nowhere:
    """Where nothing arrives."""

    def least(self, destinations: int) -> int:
        return 0


class Generator:
    """Keeps the connections busy, or on schedule, until the time or the requests are over."""

    def __init__(self, load: Load, own_pid: int, arrivals: Arrivals | None = None) -> None:
        self._load, self._own, self._pid = load, (*load.own, own_pid), own_pid
        self._make = request_maker(load.workload)
        self._left = load.workload.requests
        self._arrivals = arrivals or Nowhere()
        self._arrived_before = self._arrivals.least(load.destinations)
        self._sent = 0  # events
        self._stopping = self._measuring = False
        self._open: set[ClientConnection] = set()
        self._parked: deque[ClientConnection] = deque()
        self._due: deque[float] = deque()  # of an open loop: when requests that wait for a connection were due
        self._idle = asyncio.Event()
        self.statuses: Counter[str] = Counter()
        self.unanswered = 0
        self._answers = 0  # good ones while it is measured
        self.took: list[float] = []

    async def run(self) -> Loaded:
        """Send for as long as asked, wait for the last answers, and count."""
        load, loop, began_at = self._load, asyncio.get_running_loop(), time.monotonic()
        for _ in range(load.connections):
            await loop.create_connection(lambda: ClientConnection(self), "127.0.0.1", load.port)
        pacing = asyncio.create_task(self._pace()) if load.rate else None
        if self._left is None:
            await asyncio.sleep(load.warm_up_s)
        self._measuring = True
        before = read_usage(load.pid, self._own)
        own_before = read_usage(self._pid, ())
        await (asyncio.sleep(load.seconds) if self._left is None else self._idle.wait())
        after = read_usage(load.pid, self._own)
        own_after = read_usage(self._pid, ())
        answers = self._answers
        self._measuring, self._stopping = False, True
        if pacing:
            pacing.cancel()
        self.resume()
        async with asyncio.timeout(LAST_ANSWERS_S):
            await self._idle.wait()
        elapsed, took = after.at - before.at, sorted(self.took)
        events, good = load.workload.events, self.statuses.pop("200", 0)
        return Loaded(
            began_at=began_at,
            seconds=elapsed, requests=answers, events=events * answers,
            p50_ms=1000 * percentile(took, 0.5), p99_ms=1000 * percentile(took, 0.99), p999_ms=1000 * percentile(took, 0.999),
            cpu_s=after.cpu_s - before.cpu_s, written=after.written - before.written, foreign=foreign_share(before, after),
            generator_share=(own_after.cpu_s - own_before.cpu_s) / elapsed,
            answered=good * events, repeated=good * load.workload.repeated,
            refused=dict(self.statuses), unanswered=self.unanswered * events,
        )  # fmt: skip

    async def _pace(self) -> None:
        """Let requests become due, evenly."""
        due, step = time.perf_counter(), 1 / self._load.rate
        while True:
            now = time.perf_counter()
            while due <= now:
                self.schedule(due)
                due += step
            self.resume()
            await asyncio.sleep(due - now)

    def schedule(self, due: float) -> None:
        """A request of an open loop is due at this instant."""
        self._due.append(due)

    # ------------------------------------------------------------ asked by connections

    @property
    def is_over(self) -> bool:
        """Nothing more is to be sent. What was due before the end of an open loop still is."""
        return self._left == 0 or (self._stopping and not self._due)

    def next_request(self) -> tuple[bytes, float] | None:
        """The next request, and the instant its time runs from; None: not now."""
        now = time.perf_counter()
        if self._load.rate:
            if not self._due:
                return None
            now = self._due.popleft()
        elif self._load.window and self._on_their_way() >= self._load.window:
            return None
        if self._left is not None:
            self._left -= 1
        self._sent += self._load.workload.events
        return self._make(), now

    def _on_their_way(self) -> int:
        return self._sent - (self._arrivals.least(self._load.destinations) - self._arrived_before)

    def park(self, connection: ClientConnection) -> None:
        """A connection waits until there is something to send."""
        self._parked.append(connection)

    def resume(self) -> None:
        """Let parked connections send what there is."""
        for _ in range(len(self._parked)):
            parked = len(self._parked)
            self._parked.popleft().send()
            if len(self._parked) == parked:
                return

    def answered(self, status: str, since: float) -> None:
        """An answer came to what was sent, or was due, at that instant."""
        self.statuses[status] += 1
        if status != "200":
            return
        self._answers += self._measuring
        if self._measuring or (self._stopping and self._load.rate):
            self.took.append(time.perf_counter() - since)

    def opened(self, connection: ClientConnection) -> None:
        """A connection stands."""
        self._open.add(connection)

    def closed(self, connection: ClientConnection, *, waiting: bool) -> None:
        """A connection has nothing more to do, or broke with a request on its way."""
        self.unanswered += waiting
        self._open.discard(connection)
        if not self._open:
            self._idle.set()
