"""What a destination's held events wait for, in numbers: for the admin API, and once a day for the log.

A vendor that wants groups shows nothing of a user who has none, and the people who look for their events there look here next.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from router.background import beside
from router.clock import Clock, to_iso
from router.errors import StoreError
from router.logger import Log, to_paste
from router.plugin_host import Destination
from router.store import Queries, Waits
from router.store.sqlite.held_counts import describe

LOOK_S = 3600.0
DAY_MS = 24 * 3600 * 1000
KEPT = 20
"""An answer is good for this many times as long as it took to find, so that asking often costs at most a twentieth."""


class Waiting:
    """Counts what one destination holds. `watched` is entered for as long as the destination is served."""

    def __init__(self, destination: Destination, queries: Queries, clock: Clock, log: Log) -> None:
        self._destination, self._queries, self._clock, self._log = destination, queries, clock, log
        self._counts: list[Waits] = []
        self._good_until = float("-inf")
        self._counting = asyncio.Lock()
        self._told_at = -DAY_MS

    async def count(self) -> list[Waits]:
        """The held events by reason, at most a few seconds old."""
        async with self._counting:
            began = self._clock.monotonic()
            if began >= self._good_until:
                self._counts = await self._queries.waiting(self._destination.name)
                ended = self._clock.monotonic()
                self._good_until = ended + KEPT * (ended - began)
            return self._counts

    async def describe(self) -> dict[str, dict[str, float]]:
        """As `/api/destinations` gives it."""
        return describe(await self.count(), self._clock.now_ms())

    @asynccontextmanager
    async def watched(self) -> AsyncIterator[None]:
        """Look every hour whether something has waited for more than a day."""
        async with beside(f"waiting-{self._destination.name}", self._watch, self._clock, self._log):
            yield

    async def _watch(self) -> None:
        while True:
            await self._clock.sleep(LOOK_S)
            if self._destination.config.enabled:
                await self._look()

    async def _look(self) -> None:
        try:
            waits = await self.count()
        except StoreError:
            return  # it tells of itself
        now = self._clock.now_ms()
        since = min((one.since for one in waits), default=now)
        if now - since >= DAY_MS and now - self._told_at >= DAY_MS:
            self._told_at = now
            self._log.emit(
                "events_waiting",
                waiting_for={one.reason: {"events": one.events, "users": one.users} for one in waits},
                oldest=to_iso(since),
                paste=to_paste(f"held {self._destination.name}"),
            )
