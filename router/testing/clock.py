"""A clock that tests move. Everything in the router asks a clock that it is given, so hours pass at once."""

from __future__ import annotations

import asyncio
import heapq
from datetime import UTC, datetime, timedelta

from router.clock import to_datetime

__all__ = ["START_MS", "FakeClock"]

START_MS = int(datetime(2026, 3, 2, 9, 30, tzinfo=UTC).timestamp() * 1000)
"""When it stands still first: 2026-03-02T09:30:00Z."""
SHORT_S = 0.05
"""Waits up to this pass by themselves: pauses between commits, not waits of the story."""


class FakeClock:
    """Stands still until `advance`."""

    def __init__(self, now_ms: int = START_MS) -> None:
        self.ms = now_ms
        self._sleepers: list[tuple[int, int, asyncio.Future[None]]] = []
        self._count = 0
        self.short = 0  #: waits that passed by themselves, for tests of the pauses

    def now_ms(self) -> int:
        """Milliseconds since 1970."""
        return self.ms

    def now(self) -> datetime:
        """The same as an aware UTC instant."""
        return to_datetime(self.ms)

    def monotonic(self) -> float:
        """Seconds, for spans only."""
        return self.ms / 1000

    async def sleep(self, seconds: float) -> None:
        """Return once time was moved on by so much."""
        if seconds <= SHORT_S:
            self.short += 1
            await asyncio.sleep(0)
            return
        waker: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._count += 1
        heapq.heappush(self._sleepers, (self.ms + int(seconds * 1000), self._count, waker))
        await waker

    def next_ms(self) -> int | None:
        """When the first of those who sleep is to wake; None if nobody sleeps."""
        while self._sleepers and self._sleepers[0][2].done():  # whoever slept was ended meanwhile
            heapq.heappop(self._sleepers)
        return self._sleepers[0][0] if self._sleepers else None

    def advance(self, seconds: float = 0, *, minutes: float = 0, hours: float = 0, days: float = 0) -> None:
        """Let time pass; wakes whoever waited for less."""
        span = timedelta(seconds=seconds, minutes=minutes, hours=hours, days=days)
        self.ms += span // timedelta(milliseconds=1)
        while self._sleepers and self._sleepers[0][0] <= self.ms:
            waker = heapq.heappop(self._sleepers)[2]
            if not waker.done():
                waker.set_result(None)
