"""Sees which cursors do not move although there are events above them: a worker that hangs looks like one that has nothing to do."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import NamedTuple

from router.background import looking
from router.clock import Clock
from router.errors import StoreError
from router.logger import Log
from router.store import Store

LOOK_S = 10.0


class Place(NamedTuple):
    """Where a cursor was seen first, and when."""

    cursor: int
    since: float  #: by the monotonic clock


class CursorWatch:
    """Looks every LOOK_S. What workers say of themselves is not asked: one that hangs says nothing."""

    def __init__(self, store: Store, clock: Clock, log: Log, destinations: Callable[[], Sequence[str]]) -> None:
        self._store, self._clock, self._log, self._destinations = store, clock, log, destinations
        self._places: dict[str, Place] = {}  #: of those with events above their cursor
        self._looked_at = 0.0

    def watched(self) -> AbstractAsyncContextManager[None]:
        """Look now and again."""
        return looking("cursors", self.look, LOOK_S, self._clock, self._log)

    async def look(self) -> None:
        """Where each cursor is now. A store that cannot be read tells nothing new."""
        try:
            found = (await self._store.queries.ledger(self._destinations()))["destinations"]
        except StoreError:
            return
        now = self._clock.monotonic()
        places = {}
        for name, row in found.items():
            if row["head"] > row["cursor"]:
                before = self._places.get(name)
                is_there_still = before is not None and before.cursor == row["cursor"]
                places[name] = before if before is not None and is_there_still else Place(row["cursor"], now)
        self._places, self._looked_at = places, now

    def standing_s(self) -> Mapping[str, float]:
        """For how long each cursor was at one place, as far as it was seen there; without those that move."""
        return {name: self._looked_at - place.since for name, place in self._places.items()}
