"""The operator's rate of requests to one vendor: a token bucket that may be asked without waiting."""

from __future__ import annotations

from router.clock import Clock
from router.config import Rate


class RateLimit:
    """Lets `rate.count` requests go in `rate.per_s` seconds, as many at once. Never runs into debt."""

    def __init__(self, rate: Rate, clock: Clock) -> None:
        self.rate = rate
        self._count, self._per_token_s = float(rate.count), rate.per_s / rate.count
        self._clock = clock
        self._tokens = float(rate.count)
        self._at = clock.monotonic()

    def try_take(self) -> bool:
        """Take one token, if there is one."""
        self._refill()
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True

    def wait_ms(self) -> int:
        """Milliseconds until there is a token; at least 1."""
        self._refill()
        return max(1, int(1000 * (1 - self._tokens) * self._per_token_s) + 1)

    async def acquire(self) -> None:
        """Return once a token was taken."""
        while not self.try_take():
            await self._clock.sleep(self.wait_ms() / 1000)

    def _refill(self) -> None:
        now = self._clock.monotonic()
        self._tokens = min(self._count, self._tokens + (now - self._at) / self._per_token_s)
        self._at = now
