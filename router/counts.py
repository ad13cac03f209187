"""What is counted of a source or a destination in a span of time: numbers by name, reasons, and how long deliveries took.

The process counts up while it works, once for each request or commit; the store keeps what was counted by minute and by hour. There is
nothing personal in it: names are those of config.toml, reasons are words of the router and of plugins.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping
from typing import NamedTuple, Self, TypeVar

import msgspec

K = TypeVar("K", str, int)

LATENCY_BOUNDS_S = (
    0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0, 7200.0, 21_600.0, 86_400.0,
    259_200.0,
)  # fmt: skip
"""From the acceptance of an event to its delivery. What takes longer than the last one is counted behind it."""
_BOUNDS_MS = [int(bound * 1000) for bound in LATENCY_BOUNDS_S]

MOST_REASONS = 50
"""Different reasons that are told apart in one span; the word of a plugin may be anything."""
MAX_REASON = 64
OTHER = "other"


class Counted(NamedTuple):
    """Whom counts are about."""

    kind: str  #: "source", "destination" or "store"
    name: str


STORE = Counted("store", "used")
"""Whom the size of the store is counted for: its peak `bytes` is what the database takes."""


class Counts(msgspec.Struct, omit_defaults=True):
    """Of one source or destination in one span."""

    n: dict[str, int] = {}  #: by name: `accepted`, `delivered`, ...
    why: dict[str, int] = {}  #: by name and reason: `dead rejected`; these are among those in `n`
    latency: dict[int, int] = {}  #: deliveries by the bound that they stayed within: its index in LATENCY_BOUNDS_S
    peak: dict[str, float] = {}  #: the highest that was seen: `oldest_s`, `held_people`, `held_events`, `bytes`
    took_ms: int = 0  #: sum of the latencies; kept by the process, not by the store

    def count(self, name: str, n: int = 1, reason: str = "") -> None:
        """Add to a number, and to its reason."""
        self.n[name] = self.n.get(name, 0) + n
        if reason:
            self._add_reason(f"{name} {reason[:MAX_REASON]}", n)

    def took(self, latency_ms: int, n: int = 1) -> None:
        """So many events were delivered so long after their acceptance."""
        within = bisect_left(_BOUNDS_MS, latency_ms)
        self.latency[within] = self.latency.get(within, 0) + n
        self.took_ms += latency_ms * n

    def add(self, other: Counts) -> None:
        """Add what was counted elsewhere or later."""
        for name, n in other.n.items():
            self.n[name] = self.n.get(name, 0) + n
        for words, n in other.why.items():
            self._add_reason(words, n)
        for within, n in other.latency.items():
            self.latency[within] = self.latency.get(within, 0) + n
        for name, value in other.peak.items():
            self.peak[name] = max(value, self.peak.get(name, value))
        self.took_ms += other.took_ms

    def since(self, before: Counts) -> Counts:
        """What was counted since then, where both only ever grow."""
        return Counts(_grown(self.n, before.n), _grown(self.why, before.why), _grown(self.latency, before.latency))

    def copy(self) -> Self:
        """As it is now. Whoever counts in another thread may go on meanwhile."""
        return type(self)(self.n.copy(), self.why.copy(), self.latency.copy(), self.peak.copy(), self.took_ms)

    def latency_s(self, share: float) -> float | None:
        """By when this share of the deliveries was done, in seconds; None without any. Between two bounds it is estimated."""
        total = sum(self.latency.values())
        if not total:
            return None
        wanted, passed = share * total, 0
        for within, n in sorted(self.latency.items()):
            if passed + n >= wanted:
                if within >= len(LATENCY_BOUNDS_S):
                    return LATENCY_BOUNDS_S[-1]
                low = LATENCY_BOUNDS_S[within - 1] if within else 0.0
                return low + (LATENCY_BOUNDS_S[within] - low) * (wanted - passed) / n
            passed += n
        return LATENCY_BOUNDS_S[-1]

    def _add_reason(self, words: str, n: int) -> None:
        if words not in self.why and len(self.why) >= MOST_REASONS:
            words = f"{words.partition(' ')[0]} {OTHER}"
        self.why[words] = self.why.get(words, 0) + n


def _grown(now: Mapping[K, int], before: Mapping[K, int]) -> dict[K, int]:
    return {key: n - before.get(key, 0) for key, n in now.items() if n > before.get(key, 0)}
