"""The vendor of the benchmark: answers at once, late or never well, and counts what arrived.

Paths say how it answers: /ok/NAME with 200, /slow/NAME with 200 after 200 ms, /fail/NAME with 503; GET /stats tells all. A body
is what `webhook` sends: one call, or an array of calls. It is the collector of traces, too.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime

import msgspec

from router.bench.http1 import answer
from router.bench.measure import percentile

SLOW_S = 0.2
TRACES = "/v1/traces"
"""Where spans come, and the name under which their exports are counted."""
_ID, _RECEIVED = b'"messageId":', b'"receivedAt":"'
_INSTANT = len("2026-01-02T03:04:05.678Z")


class Arrived(msgspec.Struct):
    """What one destination sent. `accepted`: calls that got a 200; ages are from the router's receipt of an event."""

    requests: int = 0
    accepted: int = 0
    p50_ms: float = 0.0
    p99_ms: float = 0.0


class Sink:
    """Counts by the last part of the path."""

    def __init__(self) -> None:
        self.on_arrival: Callable[[], None] = lambda: None
        self.last_at = 0.0  #: when something came last (s, of `time.monotonic`)
        self._arrived: dict[str, Arrived] = {}
        self._ages: dict[str, list[float]] = {}

    def receive(self, path: str, head: bytes, body: bytes) -> tuple[bytes, float]:
        """The answer to one request, and after how many seconds it goes out."""
        if path == "/stats":
            return answer("200 OK", msgspec.json.encode(self.stats())), 0.0
        if path == TRACES:
            self._arrived.setdefault(TRACES, Arrived()).requests += 1
            return answer("200 OK"), 0.0
        _, manner, name = path.split("/")
        arrived = self._arrived.setdefault(name, Arrived())
        arrived.requests += 1
        if manner == "fail":
            return answer("503 Service Unavailable"), 0.0
        arrived.accepted += body.count(_ID)
        now = 1000 * time.time()
        self._ages.setdefault(name, []).extend(now - at for at in _received_ms(body))
        self.last_at = time.monotonic()
        self.on_arrival()
        return answer("200 OK"), SLOW_S if manner == "slow" else 0.0

    def least(self, destinations: int) -> int:
        """How many events came to each of so many destinations; 0 where there are none."""
        counts = sorted((arrived.accepted for arrived in self._arrived.values()), reverse=True)
        return counts[destinations - 1] if 0 < destinations <= len(counts) else 0

    def stats(self) -> dict[str, Arrived]:
        """What has arrived so far."""
        for name, arrived in self._arrived.items():
            ages = sorted(self._ages.get(name, []))
            arrived.p50_ms, arrived.p99_ms = percentile(ages, 0.5), percentile(ages, 0.99)
        return self._arrived


def _received_ms(body: bytes) -> list[float]:
    """When the router received the first call of a body, and the last one; nothing where it does not say."""
    found = []
    for at in (body.find(_RECEIVED), body.rfind(_RECEIVED)):
        if at >= 0:
            text = body[at + len(_RECEIVED) : at + len(_RECEIVED) + _INSTANT].decode()
            found.append(1000 * datetime.fromisoformat(text).timestamp())
    return found
