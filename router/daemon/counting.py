"""Writes what was counted into the store, once a minute, so that plots outlive a restart.

The process counts while it works: sources with each append that is durable, destinations with each commit that is durable. Nothing is
written per event. A crash loses the counts of the minute that was not written yet, and no event: the ledger is stored with the events.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Collection, Mapping
from contextlib import asynccontextmanager

from router.background import beside
from router.clock import Clock
from router.counts import STORE, Counted, Counts
from router.errors import StoreError
from router.logger import Log
from router.metrics import Metrics
from router.store import Store

MINUTE_MS = 60_000


class Counting:
    """Owned by the daemon, around the destinations: their last commits are counted, too."""

    def __init__(
        self, store: Store, metrics: Metrics, clock: Clock, log: Log, configured: Callable[[], Collection[Counted]]
    ) -> None:
        self._store, self._metrics, self._clock, self._log = store, metrics, clock, log
        self._configured = configured
        self._written: dict[Counted, Counts] = {}  #: what was counted since the start and is in the store
        self._since = clock.now_ms()  #: when what is not written began to be counted
        self._one_at_a_time = asyncio.Lock()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Write at the end of each minute, and at the end of it all."""
        async with beside("counting", self._run, self._clock, self._log, writing=self._one_at_a_time, last=self.write):
            yield

    def unwritten(self) -> tuple[int, dict[Counted, Counts]]:
        """What was counted since the last write, and when that was (ms)."""
        return self._since, self._fresh(self._now())

    async def write(self) -> None:
        """Add what is not written to its bucket. Where the store refuses it, it goes into the bucket of the next minute."""
        at, since = self._since, self._clock.now_ms()
        now = self._now()
        fresh = self._fresh(now)
        try:
            await self._sample(fresh)
            await self._sample_size(fresh)
            await self._store.counters.add(at, self._kept(fresh))
            self._written = now
        except StoreError:  # a full disk, told of by the store itself
            pass
        finally:
            self._since = since

    def _now(self) -> dict[Counted, Counts]:
        """What was counted since the start; those who count go on meanwhile."""
        return {whom: counts.copy() for whom, counts in self._since_the_start().items()}

    def _fresh(self, now: Mapping[Counted, Counts]) -> dict[Counted, Counts]:
        """Of this what is not written."""
        return {whom: counts.since(self._written.get(whom, Counts())) for whom, counts in now.items()}

    async def _sample(self, fresh: dict[Counted, Counts]) -> None:
        names = [whom.name for whom in self._configured() if whom.kind == "destination"]
        for name, found in (await self._store.counters.samples(names)).items():
            fresh.setdefault(Counted("destination", name), Counts()).peak = found

    async def _sample_size(self, fresh: dict[Counted, Counts]) -> None:
        with contextlib.suppress(StoreError):  # a minute without its size; the counts are stored all the same
            fresh[STORE] = Counts(peak={"bytes": await self._store.sizes.used_bytes()})

    def _kept(self, fresh: Mapping[Counted, Counts]) -> dict[Counted, Counts]:
        """A row without counts says that the router ran, and nothing came; of what is configured no more there is none."""
        configured = frozenset(self._configured())  # asked once: there may be thousands of sources
        return {whom: counts for whom, counts in fresh.items() if counts != Counts() or whom in configured}

    def _since_the_start(self) -> dict[Counted, Counts]:
        found = {whom: Counts() for whom in self._configured()}
        for kind, counts in (("source", self._store.counters.of_sources()), ("destination", self._metrics.counts())):
            found.update({Counted(kind, name): of_one for name, of_one in counts.items() if name})
        return found

    async def _run(self) -> None:
        while True:
            await self._clock.sleep((MINUTE_MS - self._clock.now_ms() % MINUTE_MS) / 1000)
            async with self._one_at_a_time:
                await self.write()
