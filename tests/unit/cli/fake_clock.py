"""Time that passes only by waiting for it."""

from __future__ import annotations


class FakeClock:
    """A Clock, with the waits that were asked for."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self.waits: list[float] = []

    def now_ms(self) -> int:
        return int(self.now_s * 1000)

    def monotonic(self) -> float:
        return self.now_s

    async def sleep(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.now_s += seconds
