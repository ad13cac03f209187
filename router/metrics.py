"""What the process counts of itself while it works: plain numbers, an addition for each request or attempt.

`GET /metrics` shows them, beside what the store has counted for good. Labels come from configuration or from short lists,
never from events, so their number is bounded.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence
from itertools import accumulate

from router.plugin import Delivered, Outcome, Pause, Reject, RetryLater, Split

ATTEMPT_BOUNDS_S = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
MIXED = "mixed"
OUTCOMES: dict[type[Outcome], str] = {
    Delivered: "delivered",
    Reject: "rejected",
    RetryLater: "retry",
    Pause: "pause",
    Split: "split",
}
"""What a request came to: for all of its items the same, else `mixed`."""

REASONS = re.compile(
    r"|by_hand|retry_after|credentials|set_up|internal|timeout|connection|dns|tls|plugin_error|status_[1-5]\d\d"
)
"""Why a destination is in its state. A plugin's own word may be anything, so it is counted as `other`."""


class Histogram:
    """How many observations were at most as large as each bound, and their sum."""

    __slots__ = ("_bounds", "_counts", "sum")

    def __init__(self, bounds: Sequence[float]) -> None:
        self._bounds = bounds
        self._counts = [0] * (len(bounds) + 1)
        self.sum = 0.0

    def observe(self, value: float) -> None:
        """Count one."""
        self._counts[bisect_left(self._bounds, value)] += 1
        self.sum += value

    def buckets(self) -> list[tuple[str, int]]:
        """(bound, how many up to it), the last one without bound."""
        names = [*map(str, self._bounds), "+Inf"]
        return list(zip(names, accumulate(self._counts), strict=True))


class Meter:
    """Counts for one destination, whatever worker serves it."""

    def __init__(self) -> None:
        self.attempts: Counter[tuple[str, str]] = Counter()  #: by class of status, and outcome
        self.seconds = Histogram(ATTEMPT_BOUNDS_S)
        self.changes: Counter[tuple[str, str]] = Counter()  #: by the state it changed to, and its reason

    def attempt(self, status: int | None, outcomes: Sequence[Outcome], duration_ms: int) -> None:
        """One request to the vendor has ended. `status` None: there was no answer."""
        kinds = {type(outcome) for outcome in outcomes}
        words = [word for family, word in OUTCOMES.items() if any(issubclass(kind, family) for kind in kinds)]
        self.attempts[status_class(status), words[0] if len(words) == 1 else MIXED] += 1
        self.seconds.observe(duration_ms / 1000)

    def change(self, state: str, reason: str) -> None:
        """The destination is in this state from now on."""
        self.changes[state, bounded(reason)] += 1


class Metrics:
    """The counts of one process."""

    def __init__(self) -> None:
        self.requests: Counter[tuple[str, int]] = Counter()  #: of ingestion, by source ("": not known) and status
        self._meters: dict[str, Meter] = {}

    def meter(self, destination: str) -> Meter:
        """The counts of this destination, which outlive a reload of it."""
        return self._meters.setdefault(destination, Meter())


def status_class(status: int | None) -> str:
    """`2xx` and the like; `none` without an answer, `other` for what is no HTTP status."""
    if status is None:
        return "none"
    return f"{status // 100}xx" if 100 <= status < 600 else "other"


def bounded(reason: str) -> str:
    """A reason as a label: one of the router's own words, or `other`."""
    return reason if REASONS.fullmatch(reason) else "other"
