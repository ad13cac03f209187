"""Warns the operator when the store has used half of its disk budget, while there is still time to act.

A destination that lags keeps the log from being trimmed. Its events are never dropped silently, so the store grows.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

from router.background import beside
from router.clock import Clock
from router.errors import StoreError
from router.logger import Log, to_paste
from router.store import Store

CHECK_INTERVAL_S = 60.0
WARN_SHARE = 0.5
"""The share of the budget at which the operator is warned."""

CALM_SHARE = 0.4
"""The share that must be reached again before there is another warning."""


class DiskWatch:
    """Compares the store's size with its budget: that size plus the free space above `store.min_free`."""

    def __init__(self, store: Store, clock: Clock, log: Log, destinations: Callable[[], Sequence[str]]) -> None:
        self.problem = ""  #: the warning, until the store is small again
        self._store = store
        self._clock = clock
        self._log = log
        self._destinations = destinations

    @asynccontextmanager
    async def watched(self) -> AsyncIterator[None]:
        """Check now and every minute."""
        async with beside("disk", self._watch, self._clock, self._log):
            yield

    async def _watch(self) -> None:
        while True:
            await self.check()
            await self._clock.sleep(CHECK_INTERVAL_S)

    async def check(self) -> None:
        """Compare what the store takes with its budget. The words have the figures of now; the log is told when it begins."""
        try:
            taken, left = await self._store.sizes.used_bytes(), self._store.sizes.left_bytes()
            if left is None or taken < (CALM_SHARE if self.problem else WARN_SHARE) * (taken + left):
                self.problem = ""
            else:
                await self._warn(taken, left)
        except (OSError, StoreError):
            return  # writes will fail too, and that is reported

    async def _warn(self, taken: int, left: int) -> None:
        ledger = await self._store.queries.ledger(self._destinations())
        behind = {name: row["head"] - row["cursor"] for name, row in ledger["destinations"].items()}
        behind = {name: events for name, events in behind.items() if events}
        if not self.problem:
            self._log.emit("store_half_full", bytes=taken, left_bytes=left, behind=behind, paste=to_paste("status"))
        self.problem = (
            f"the store takes {taken // 1_000_000} MB and may grow by {left // 1_000_000} MB more before events are answered"
            f" with 503; behind are {', '.join(f'{name} by {events} events' for name, events in behind.items()) or 'none'}"
        )
