"""How many calls a source may send: a token bucket for each source that has a `rate`, on the router's clock.

Used by `admission`, once a request's source and number of calls are known.
"""

from __future__ import annotations

import math

from router.clock import Clock
from router.config import Rate
from router.errors import InvalidCall
from router.ingest.limits import MAX_DEBT_S


class RateExceeded(InvalidCall):
    """A source sends more calls than its `rate` allows; `wait_s`: whole seconds until the next request may pass."""

    def __init__(self, wait_s: int) -> None:
        super().__init__("rate_exceeded", f"more calls than this source may send; try again in {wait_s} s", 429)
        self.wait_s = wait_s


class _Bucket:
    """Holds at most `rate.count` tokens, one for each call that is kept; below zero it is in debt."""

    def __init__(self, rate: Rate, now_ms: int) -> None:
        self.rate = rate
        self._tokens, self._at_ms = float(rate.count), now_ms

    def wait_s(self, now_ms: int) -> float:
        """The seconds until a token is there; 0 when there is one."""
        grown = self._tokens + (now_ms - self._at_ms) / 1000 * self.rate.per_second
        self._tokens, self._at_ms = min(grown, float(self.rate.count)), now_ms
        if self._tokens < 1:
            return (1 - self._tokens) / self.rate.per_second
        return 0.0

    def take(self, calls: int) -> None:
        """Take a token for each call. A batch larger than the bucket could never pass whole: it goes into debt instead, and
        those after it wait. The debt is bounded, so that one batch never locks a source out."""
        self._tokens = max(self._tokens - calls, -MAX_DEBT_S * self.rate.per_second)


class Limiter:
    """The buckets, by name of the source. A source keeps its bucket over a reload, unless its rate has changed."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._buckets: dict[str, _Bucket] = {}

    def check(self, source: str, rate: Rate) -> None:
        """Raises RateExceeded while the source is in debt."""
        now_ms = self._clock.now_ms()
        bucket = self._buckets.get(source)
        if bucket is None or bucket.rate != rate:
            bucket = self._buckets[source] = _Bucket(rate, now_ms)
        wait_s = bucket.wait_s(now_ms)
        if wait_s:
            raise RateExceeded(max(1, math.ceil(wait_s)))

    def charge(self, source: str, calls: int) -> None:
        """Count the calls that were kept of a request for which `check` has passed."""
        self._buckets[source].take(calls)
