"""An event loop whose time is a fake clock's and whose order is a seed's: each round, what is ready runs in a shuffled order.

Nothing here waits for real. Where nothing is ready any more, all that is left waits for time to pass: then whoever awaits
`quiet` goes on. So a story needs no polling, and a seed gives the same run each time.
"""

from __future__ import annotations

import asyncio
import heapq
import selectors
from collections import deque
from collections.abc import Coroutine
from random import Random
from typing import Any

START_MS = 1_767_000_000_000
SHORT_S = 0.05
"""Waits up to this pass by themselves: pauses between commits, not waits of the story."""
MOST_ROUNDS = 200_000
"""Of a loop; long stories take a tenth."""
SPINNING = 3_000
"""Rounds in which no time passes, after which somebody is said to spin."""


class SimClock:
    """Stands still until `advance`; the loop's timers run on it, too."""

    def __init__(self, random: Random, now_ms: int = START_MS) -> None:
        self.ms = now_ms
        self._random = random
        self._sleepers: list[tuple[int, int, asyncio.Future[None]]] = []
        self._count = 0

    def now_ms(self) -> int:
        return self.ms

    def monotonic(self) -> float:
        return self.ms / 1000

    async def sleep(self, seconds: float) -> None:
        if seconds <= SHORT_S:
            for _ in range(self._random.randrange(1, 4)):
                await asyncio.sleep(0)
            self.advance(int(seconds * 1000))
            return
        waker: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._count += 1
        heapq.heappush(self._sleepers, (self.ms + int(seconds * 1000), self._count, waker))
        await waker

    def advance(self, ms: int) -> None:
        """Let time pass; wakes whoever waited for less."""
        self.ms += ms
        while self._sleepers and self._sleepers[0][0] <= self.ms:
            waker = heapq.heappop(self._sleepers)[2]
            if not waker.done():
                waker.set_result(None)

    def next_ms(self) -> int | None:
        """How long until somebody's wait is over."""
        while self._sleepers and self._sleepers[0][2].done():
            heapq.heappop(self._sleepers)
        return self._sleepers[0][0] - self.ms if self._sleepers else None


class HookTime:
    """What hooks take, by the seed and not by the machine: most take nothing, some use up a slice of the loop's time."""

    def __init__(self, random: Random) -> None:
        self._random = random
        self._s = 0.0

    def __call__(self) -> float:
        """Seconds, as of `perf_counter`."""
        if self._random.random() < 0.05:
            self._s += 0.015
        return self._s


class NothingComes(selectors.SelectSelector):
    """No files and no sockets: what the loop would wait for is never there."""

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        return []


class SeededLoop(asyncio.SelectorEventLoop):
    """Runs what is ready in the seed's order. `tasks`: all that were made and may still run, in order."""

    def __init__(self, clock: SimClock, random: Random) -> None:
        super().__init__(NothingComes())
        self._clock, self._random = clock, random
        self._quiet: list[asyncio.Future[None]] = []
        self.tasks: list[asyncio.Task[Any]] = []
        self.rounds = 0
        self.spun = 0  #: how often somebody did
        self._still, self._at = 0, 0  #: rounds since the clock stood at this
        self.set_task_factory(self._make_task)

    def _make_task(
        self, loop: asyncio.AbstractEventLoop, work: Coroutine[Any, Any, Any], **more: Any
    ) -> asyncio.Task[Any]:
        task = asyncio.Task(work, loop=loop, **more)
        if len(self.tasks) > 200:
            self.tasks = [one for one in self.tasks if not one.done()]
        self.tasks.append(task)
        return task

    def time(self) -> float:
        return self._clock.monotonic()

    async def quiet(self) -> None:
        """Return when nothing moves any more without time passing."""
        future = self.create_future()
        self._quiet.append(future)
        await future

    def _run_once(self) -> None:
        self.rounds += 1
        if self.rounds > MOST_ROUNDS:
            raise RuntimeError("the story does not come to rest")
        self._watch_for_spinning()
        ready: deque[asyncio.Handle] = self._ready  # type: ignore[has-type]
        if len(ready) > 1:
            shuffled = list(ready)
            self._random.shuffle(shuffled)
            self._ready = deque(shuffled)
        elif not ready and not self._timer_is_due():
            if not self._quiet:
                raise RuntimeError("nothing is ready, and nobody waits for that: the story is stuck")
            self._quiet.pop(0).set_result(None)
        super()._run_once()  # type: ignore[misc]

    def _watch_for_spinning(self) -> None:
        """Time passes for those who spin, too: up to what comes next."""
        if self._clock.ms != self._at:
            self._still, self._at = 0, self._clock.ms
        self._still += 1
        if self._still > SPINNING:
            self.spun += 1
            self._clock.advance(max(1, self.next_ms() or 1))

    def next_ms(self) -> int | None:
        """How long until something happens by itself."""
        timers: list[asyncio.TimerHandle] = self._scheduled  # type: ignore[attr-defined]
        waits = [int(timer.when() * 1000 + 1) - self._clock.ms for timer in timers if not timer.cancelled()]
        sleep = self._clock.next_ms()
        return min([*waits, *([] if sleep is None else [sleep])], default=None)

    def _timer_is_due(self) -> bool:
        scheduled: list[asyncio.TimerHandle] = self._scheduled  # type: ignore[attr-defined]
        end = self.time() + self._clock_resolution  # type: ignore[attr-defined]  # as asyncio has it
        return any(not timer.cancelled() and timer.when() < end for timer in scheduled)
