"""How quickly events come, and how many of them a page shows. Pure."""

from __future__ import annotations

from collections import deque

MOST_PER_S = 50
"""Above it nobody can read along: one in so many is shown."""

SHARES = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000)
SLACK = 1.2
"""A rate that changes by less than this changes no share."""


class Rate:
    """Events a second, over the last 5 s."""

    SPAN_MS = 5_000

    def __init__(self) -> None:
        self._notes: deque[tuple[int, int]] = deque()  # (ms, how many up to then)

    def note(self, now_ms: int, n: int) -> None:
        """So many more have come by now."""
        self._notes.append((now_ms, (self._notes[-1][1] if self._notes else 0) + n))
        while len(self._notes) > 2 and now_ms - self._notes[1][0] >= self.SPAN_MS:
            self._notes.popleft()

    @property
    def per_s(self) -> float:
        """As of the last note."""
        if len(self._notes) < 2:
            return 0.0
        (began, before), (ended, after) = self._notes[0], self._notes[-1]
        return 1000 * (after - before) / max(ended - began, 200)


def share_of(per_s: float) -> int:
    """One in so many is shown."""
    return next((n for n in SHARES if per_s <= n * MOST_PER_S), SHARES[-1])
