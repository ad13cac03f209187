"""What was mended, dropped or guessed in the calls of a source: counted by field, logged once a minute at most. No value is kept.

Fields and problems are words of the router, not of the sender, so their number is bounded.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

PAUSE_MS = 60_000
"""Between two lines about the same field of a source."""

REMEMBERED = 10_000
"""Positions whose events were counted already: several destinations read the same event."""


Note = tuple[str, str]
"""A field, and its problem. `router/event/notes.py` lists them."""


def _say_nothing(event: str, **fields: Any) -> None:
    pass


class InputWarnings:
    """The counts of one process, since its start.

    Args:
        now_ms: router time.
        emit: writes a line of the log.
    """

    def __init__(self, now_ms: Callable[[], int] = lambda: 0, emit: Callable[..., None] = _say_nothing) -> None:
        self._now_ms, self._emit = now_ms, emit
        self._counts: dict[str, Counter[Note]] = {}
        self._logged_at: dict[tuple[str, str], int] = {}
        self._counted: dict[int, None] = {}  #: positions, the latest last
        self._lock = threading.Lock()  #: a destination may have a thread of its own
        self._forgotten = 0  #: positions up to here were counted, or are too old to be

    def add(self, source: str, notes: Iterable[Note]) -> None:
        """Count these notes on calls of a source."""
        with self._lock:
            counts = self._counts.setdefault(source, Counter())
            for note in notes:
                counts[note] += 1
                self._log(source, note, counts[note])

    def add_stored(self, source: str, pos: int, notes: Iterable[Note]) -> None:
        """Count these notes on the event at a position of the log, whoever reads it first."""
        with self._lock:
            if pos <= self._forgotten or pos in self._counted:
                return
            self._counted[pos] = None
            if len(self._counted) > REMEMBERED:
                oldest = next(iter(self._counted))
                del self._counted[oldest]
                self._forgotten = max(self._forgotten, oldest)
        self.add(source, notes)

    def describe(self, source: str) -> dict[str, dict[str, int]]:
        """The counts of a source, by field and problem: `{"timestamp": {"unreadable": 3}}`."""
        found: dict[str, dict[str, int]] = {}
        with self._lock:
            counts = sorted(self._counts.get(source, Counter[Note]()).items())
        for (field, problem), n in counts:
            found.setdefault(field, {})[problem] = n
        return found

    def _log(self, source: str, note: Note, count: int) -> None:
        field, problem = note
        now = self._now_ms()
        if now - self._logged_at.get((source, field), -PAUSE_MS) >= PAUSE_MS:
            self._logged_at[source, field] = now
            self._emit("input_warned", source=source, field=field, reason=problem, count=count)
