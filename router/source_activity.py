"""How often each source sends: how much in the last minute and hour, and whether it is silent for longer than it ever was lately.

Told once for each request, never for each event.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any, NamedTuple

MINUTE_MS, HOUR_MS, DAY_MS = 60_000, 3_600_000, 86_400_000
MINUTES = 60
"""Minutes that are counted."""
DAYS = 7
"""Days of which the longest silence is remembered."""
LEAST_SILENCE_MS = 15 * MINUTE_MS
TIMES_LONGER = 2
"""A source is silent when it sends nothing for twice its longest silence, and for 15 minutes."""
LEAST_REQUESTS = 10
"""Whoever sent less often has no usual gap yet."""


class Minute:
    """What came in one minute."""

    __slots__ = ("accepted", "at", "discarded")

    def __init__(self, at: int) -> None:
        self.at, self.accepted, self.discarded = at, 0, 0


class Active(NamedTuple):
    """How one source is."""

    last_at: int  #: ms: its newest event; 0: none is known
    per_second: float  #: in the last full minute, or what has passed of the first
    accepted: int  #: in the last hour
    discarded: int  #: in the last hour
    longest_gap_ms: int  #: its longest silence of the last days; 0: not known yet
    silent_ms: int  #: how long it is silent now, where that is longer than usual; else 0


class SourceActivity:
    """The sources that have sent something. `now_ms`: router time."""

    def __init__(self, now_ms: Callable[[], int]) -> None:
        self._now_ms = now_ms
        self._sources: dict[str, _Source] = {}

    def seed(self, newest: list[tuple[str, int]]) -> None:
        """Learn from stored events, oldest first, so that a restart does not forget who is silent."""
        for source, at in newest:
            self._of(source).came(at)

    def note(self, source: str, accepted: int, discarded: int) -> None:
        """A request of this source was answered 200."""
        now = self._now_ms()
        found = self._of(source)
        if accepted:
            found.came(now)
        minute = found.minute(now)
        minute.accepted += accepted
        minute.discarded += discarded

    def of(self, source: str) -> Active:
        """How a source is now."""
        found = self._sources.get(source)
        return found.described(self._now_ms()) if found else Active(0, 0.0, 0, 0, 0, 0)

    def _of(self, source: str) -> _Source:
        if source not in self._sources:
            self._sources[source] = _Source()
        return self._sources[source]


class _Source:
    def __init__(self) -> None:
        self._last_at = self._requests = 0
        self._minutes: deque[Minute] = deque(maxlen=MINUTES)
        self._longest: dict[int, int] = {}  # day: the longest silence that ended on it

    def came(self, at: int) -> None:
        """Something was accepted."""
        self._requests += 1
        if self._last_at:
            day, gap = at // DAY_MS, at - self._last_at
            if gap > self._longest.get(day, -1):
                self._longest[day] = gap
                if len(self._longest) > DAYS:
                    del self._longest[min(self._longest)]
        if at > self._last_at:
            self._last_at = at

    def minute(self, now: int) -> Minute:
        """The counts of this minute."""
        at = now - now % MINUTE_MS
        if not self._minutes or self._minutes[-1].at < at:
            self._minutes.append(Minute(at))
        return self._minutes[-1]

    def described(self, now: int) -> Active:
        hour = [minute for minute in self._minutes if minute.at > now - HOUR_MS]
        longest = max((gap for day, gap in self._longest.items() if day > now // DAY_MS - DAYS), default=0)
        usual = longest if self._requests >= LEAST_REQUESTS else 0
        silence = now - self._last_at
        is_silent = usual and silence > max(LEAST_SILENCE_MS, TIMES_LONGER * usual)
        return Active(
            self._last_at,
            self._rate(now),
            sum(minute.accepted for minute in hour),
            sum(minute.discarded for minute in hour),
            usual,
            silence if is_silent else 0,
        )

    def _rate(self, now: int) -> float:
        """Of the last two minutes as far as they have passed: the running one alone would begin at nothing."""
        counted = [minute for minute in self._minutes if minute.at > now - 2 * MINUTE_MS]
        if not counted:
            return 0.0
        return sum(minute.accepted for minute in counted) * 1000 / max(1000, now - counted[0].at)


def told(active: Active, to_iso: Callable[[int], str]) -> dict[str, Any]:
    """As answers give it."""
    return {
        "last_event_at": to_iso(active.last_at) if active.last_at else None,
        "per_second": round(active.per_second, 2),
        "accepted_last_hour": active.accepted,
        "discarded_last_hour": active.discarded,
        "longest_gap_s": active.longest_gap_ms / 1000,
        "silent_s": active.silent_ms / 1000,
    }
