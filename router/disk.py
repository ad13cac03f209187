"""Watches how much of its disk the store takes. A destination that is behind keeps the log whole, and nothing of that is dropped
silently: so the operator is told at half the budget, while there is time to act."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

from router.clock import Clock
from router.store.sqlite import SqliteStore
from router.telemetry import Log, to_paste

LOOK_S = 60.0
HALF, CALM = 0.5, 0.4
"""The share of the budget that is told of, and the one that it must fall below before it is told of again."""


class Disk:
    """The budget is what the store takes and what it may still grow by (`store.min_free` left out)."""

    def __init__(self, store: SqliteStore, clock: Clock, log: Log, destinations: Callable[[], Sequence[str]]) -> None:
        self._store, self._clock, self._log, self._destinations = store, clock, log, destinations
        self.problem = ""  #: in words, for as long as half of the budget is taken

    @asynccontextmanager
    async def watched(self) -> AsyncIterator[None]:
        """Look now and every minute."""
        task = asyncio.create_task(self._watch(), name="disk")
        try:
            yield
        finally:
            task.cancel()
            await asyncio.wait({task})

    async def _watch(self) -> None:
        while True:
            await self.look()
            await self._clock.sleep(LOOK_S)

    async def look(self) -> None:
        """Compare what the store takes with its budget."""
        try:
            taken = await self._store.questions.used_bytes()
            if taken < (CALM if self.problem else HALF) * (taken + self._store.room.left_bytes()):
                self.problem = ""
            elif not self.problem:
                await self._tell(taken)
        except (sqlite3.Error, OSError):
            return  # a disk that cannot be read tells of itself

    async def _tell(self, taken: int) -> None:
        left = self._store.room.left_bytes()
        ledger = await self._store.questions.ledger(self._destinations())
        behind = {name: row["head"] - row["cursor"] for name, row in ledger["destinations"].items()}
        behind = {name: events for name, events in behind.items() if events}
        self.problem = (
            f"the store takes {taken // 1_000_000} MB and may grow by {left // 1_000_000} MB more before events are answered"
            f" with 503; behind are {', '.join(f'{name} by {events} events' for name, events in behind.items()) or 'none'}"
        )
        self._log.emit("store_half_full", bytes=taken, left_bytes=left, behind=behind, paste=to_paste("status"))
