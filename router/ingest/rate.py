"""How many calls a source may send: a token bucket for each source that has a `rate`, on the router's clock.

Used by `intake`, once a request's source and number of calls are known.
"""

from __future__ import annotations

import math

from router.clock import Clock
from router.config import Rate
from router.errors import InvalidCall


class RateExceeded(InvalidCall):
    """A source sends more calls than its `rate` allows; `wait_s`: whole seconds until the next request may pass."""

    def __init__(self, wait_s: int) -> None:
        super().__init__("rate_exceeded", f"more calls than this source may send; try again in {wait_s} s", 429)
        self.wait_s = wait_s


class _Bucket:
    """Holds at most `rate.count` tokens, one a call; below zero it is in debt."""

    def __init__(self, rate: Rate, now_ms: int) -> None:
        self.rate = rate
        self._tokens, self._at_ms = float(rate.count), now_ms

    def take(self, calls: int, now_ms: int) -> float:
        """Take a token for each call; or none, and return the seconds until one is there."""
        grown = self._tokens + (now_ms - self._at_ms) / 1000 * self.rate.per_second
        self._tokens, self._at_ms = min(grown, float(self.rate.count)), now_ms
        if self._tokens < 1:
            return (1 - self._tokens) / self.rate.per_second
        # A batch larger than the bucket could never pass whole: it goes into debt instead, and those after it wait.
        self._tokens -= calls
        return 0.0


class Limiter:
    """The buckets, by name of the source. A source keeps its bucket over a reload, unless its rate has changed."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._buckets: dict[str, _Bucket] = {}

    def admit(self, source: str, rate: Rate, calls: int) -> None:
        """Count these calls of one request. Raises RateExceeded, having counted none."""
        now_ms = self._clock.now_ms()
        bucket = self._buckets.get(source)
        if bucket is None or bucket.rate != rate:
            bucket = self._buckets[source] = _Bucket(rate, now_ms)
        wait_s = bucket.take(calls, now_ms)
        if wait_s:
            raise RateExceeded(max(1, math.ceil(wait_s)))
