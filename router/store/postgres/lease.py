"""How long a unit is owned after a sign of life of its node, told by a clock that goes on while the machine sleeps."""

from __future__ import annotations

import time
from collections.abc import Callable

MARGIN_S = 1.0
"""So much before its end a lease is not relied on, and so much more than its time-out a request may take."""
BEATS_PER_LEASE = 6
LOST_BEATS = 3
"""So many signs of life in a row may fail before a unit falls silent."""


def since_boot() -> float:
    """Seconds on a clock that nobody sets, and that no freeze of a process and no sleep of the machine stops."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class Held:
    """The lease of one claim. It is counted from before a sign of life was sent: the database counts from later on."""

    def __init__(self, seconds: float, asked_at: float, now: Callable[[], float] = since_boot) -> None:
        self.seconds, self._now = seconds, now
        self.renew(asked_at)

    def renew(self, asked_at: float) -> None:
        """It was prolonged by a sign of life that was sent then."""
        self._until = asked_at + self.seconds - MARGIN_S

    def lasts(self, for_s: float) -> bool:
        """Whether it lasts until a request has ended that begins now and takes this long."""
        return self._until - self._now() >= for_s + MARGIN_S


def beat_s(lease_s: float) -> float:
    """Seconds between two signs of life."""
    return lease_s / BEATS_PER_LEASE


def unit_lease_s(lease_s: float, timeout_s: float) -> float:
    """The lease of a unit whose requests take up to `timeout_s`: it may send while LOST_BEATS in a row fail."""
    return max(lease_s, timeout_s + 2 * MARGIN_S + LOST_BEATS * beat_s(lease_s))
