"""One life of a destination at a bench: from a start on its store to a stop or a crash."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from random import Random

from router.accept import Acceptor
from router.deliver.runner import Runner
from router.deliver.send.http_client import Client
from router.deliver.send.rate_limit import RateLimit
from router.logger import Log, make_log
from router.plugin_host import Destination
from router.store.sqlite.store import SqliteStore, open_store
from router.testing.clock import FakeClock
from router.testing.detour import Detour, open_detour
from router.testing.rest import at_rest, is_busy
from router.testing.vendor import FakeVendor

__all__ = ["Life", "open_life"]

PAUSE_S = 0.02
"""Of the machine's time, while a worker stops."""


class Life:
    """The store is open, the worker runs."""

    def __init__(
        self, destination: Destination, store: SqliteStore, path: Path, clock: FakeClock, log: Log, vendor: FakeVendor
    ) -> None:
        self.destination, self.store, self.path = destination, store, path
        self._clock, self._vendor = clock, vendor
        consent = destination.consent
        follow = None if consent is None or not consent.follows else frozenset
        self.acceptor = Acceptor(store.log, store.people.suppressions, log, follow=follow)
        self.runner = _BenchRunner(destination, store, clock, log, vendor)
        self._task = asyncio.create_task(self.runner.run(), name="bench")

    async def rest(self) -> None:
        """Return when nothing more moves without time passing.

        Raises:
            TimeoutError: it never does.
            RuntimeError: the test has closed the vendor.
        """
        if not self._vendor.is_open:
            raise RuntimeError(
                "the vendor of the bench was closed: no request can be sent; the bench closes it at its end"
            )
        await at_rest(self.store, self.destination.name, self._is_busy, lambda: len(self._vendor.requests))
        if self._task.done():
            self._task.result()

    async def stop(self) -> None:
        """End in good order: what is in flight is waited for, at most its time-out."""
        self.runner.stop()
        while not (await asyncio.wait({self._task}, timeout=PAUSE_S))[0]:
            if self._vendor.waiting or self.runner.waiting_for_rate:  # nothing but time ends them
                self._clock.advance(1)
        self._task.result()

    async def kill(self) -> None:
        """End now; without effect if it has ended."""
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    def _is_busy(self) -> bool:
        if self._task.done():
            return False
        waiting = self._vendor.waiting + self.runner.waiting_for_rate
        return self.runner.requests > self._vendor.waiting or is_busy(self.runner, self.store, waiting)


@asynccontextmanager
async def open_life(
    destination: Destination, path: Path, clock: FakeClock, vendor: FakeVendor, lines: io.StringIO
) -> AsyncIterator[Life]:
    """Start a destination on a store. Its log goes to `lines`."""

    def clock_from(mark: int) -> FakeClock:
        clock.ms = max(clock.ms, mark)
        return clock

    log = make_log("debug", "json", clock=clock, stream=lines, environ={})
    async with open_store(path, clock_from, dedupe_window_s=86_400, min_free_bytes=0) as (store, _):
        life = Life(destination, store, path, clock, log, vendor)
        try:
            yield life
        finally:
            await life.kill()


class _BenchRunner(Runner):
    """A runner whose requests go to the fake vendor."""

    def __init__(
        self, destination: Destination, store: SqliteStore, clock: FakeClock, log: Log, vendor: FakeVendor
    ) -> None:
        super().__init__(destination, store, clock, log, Random(1))
        self._open_client = partial(self._open_detour, vendor, clock)  # type: ignore[method-assign]
        self._detour: Detour | None = None
        if self.rate is not None:
            self.rate = _WatchedRate(self.rate.rate, clock)

    @property
    def requests(self) -> int:
        """Requests on their way."""
        return self._detour.in_flight if self._detour is not None else 0

    @property
    def waiting_for_rate(self) -> int:
        """Requests of a `deliver` that wait for the rate."""
        return self.rate.waiting if isinstance(self.rate, _WatchedRate) else 0

    @asynccontextmanager
    async def _open_detour(self, vendor: FakeVendor, clock: FakeClock) -> AsyncIterator[Client]:
        async with open_detour(self.destination.config.delivery, vendor, clock) as self._detour:
            yield self._detour


class _WatchedRate(RateLimit):
    """Counts who waits."""

    waiting = 0

    async def acquire(self) -> None:
        self.waiting += 1
        try:
            await super().acquire()
        finally:
            self.waiting -= 1
