"""Time as a port: everything that asks what time it is, or waits, does it through a Clock that is handed in.

Router time is wall time at start plus the monotonic clock, so a wall-clock jump neither expires nor hurries anything.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Protocol, Self


class Clock(Protocol):
    """Router time and waiting. Instants are milliseconds since 1970 (UTC)."""

    def now_ms(self) -> int:
        """Router time in milliseconds; never runs back."""
        ...

    def monotonic(self) -> float:
        """Seconds on a clock that only measures spans."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Return after this many seconds of this clock."""
        ...


class SystemClock:
    """The machine's clocks. `not_before_ms`: a stored high-water mark, so that time does not run back over a restart."""

    def __init__(self, not_before_ms: int = 0) -> None:
        self._start_ms = max(time.time_ns() // 1_000_000, not_before_ms)
        self._start = time.monotonic()

    def now_ms(self) -> int:
        return self._start_ms + int((time.monotonic() - self._start) * 1000)

    def monotonic(self) -> float:
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


class Alarm:
    """Calls `ring` once the earliest instant it was set for has come. Left with its owner's `async with`."""

    def __init__(self, clock: Clock, ring: Callable[[], None]) -> None:
        self._clock, self._ring = clock, ring
        self._at_ms = 0
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        if self._task is not None:
            self._task.cancel()

    def set(self, at_ms: int) -> None:
        """Ring at this instant of router time (ms) at the latest; ringing too early is allowed."""
        if self._task is not None:
            if self._at_ms <= at_ms:
                return
            self._task.cancel()
        self._at_ms = at_ms
        self._task = asyncio.create_task(self._wait(), name="alarm")

    async def _wait(self) -> None:
        await self._clock.sleep(max(0.0, (self._at_ms - self._clock.now_ms()) / 1000))
        self._task = None
        self._ring()


def to_datetime(ms: int) -> datetime:
    """Milliseconds since 1970 as an aware UTC instant."""
    return datetime.fromtimestamp(ms / 1000, UTC)


def to_iso(ms: int) -> str:
    """Milliseconds since 1970 as `2026-01-02T03:04:05.678Z`, the form of every instant in answers and logs."""
    return datetime.fromtimestamp(ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
