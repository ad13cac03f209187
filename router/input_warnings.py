"""What was mended, dropped or guessed in the calls of a source: counted by field and by library, logged once a minute at most. No value
is kept.

Fields and problems are words of the router, not of the sender, so their number is bounded. The names of libraries are the sender's.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

PAUSE_MS = 60_000
"""Between two lines about the same field of a source."""

MOST_LIBRARIES = 50
"""Of a source; further ones count for the source only."""

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
        self._libraries: dict[str, dict[str, Counter[Note]]] = {}
        self._logged_at: dict[tuple[str, str], int] = {}
        self._counted: dict[int, None] = {}  #: positions, the latest last
        self._lock = threading.Lock()  #: a destination may have a thread of its own
        self._forgotten = 0  #: positions up to here were counted, or are too old to be

    def add(self, source: str, notes: Iterable[Note], library: str = "") -> None:
        """Count these notes on calls of a source. `library`: what sent them, with its version; "": nobody says."""
        with self._lock:
            counts = self._counts.setdefault(source, Counter())
            of_library = self._of_library(source, library)
            for note in notes:
                counts[note] += 1
                of_library[note] += 1
                self._log(source, note, counts[note])

    def add_stored(self, source: str, pos: int, notes: Iterable[Note], library: str = "") -> None:
        """Count these notes on the event at a position of the log, whoever reads it first."""
        with self._lock:
            if pos <= self._forgotten or pos in self._counted:
                return
            self._counted[pos] = None
            if len(self._counted) > REMEMBERED:
                oldest = next(iter(self._counted))
                del self._counted[oldest]
                self._forgotten = max(self._forgotten, oldest)
        self.add(source, notes, library)

    def describe(self, source: str) -> dict[str, dict[str, int]]:
        """The counts of a source, by field and problem: `{"timestamp": {"unreadable": 3}}`."""
        with self._lock:
            return _described(self._counts.get(source, Counter()))

    def by_library(self, source: str) -> dict[str, dict[str, dict[str, int]]]:
        """The same of each library that says its name: `{"analytics-ios 3.7": {"timestamp": {"unreadable": 3}}}`."""
        with self._lock:
            return {library: _described(counts) for library, counts in sorted(self._libraries.get(source, {}).items())}

    def _of_library(self, source: str, library: str) -> Counter[Note]:
        known = self._libraries.setdefault(source, {})
        if not library or (library not in known and len(known) >= MOST_LIBRARIES):
            return Counter()
        return known.setdefault(library, Counter())

    def _log(self, source: str, note: Note, count: int) -> None:
        field, problem = note
        now = self._now_ms()
        if now - self._logged_at.get((source, field), -PAUSE_MS) >= PAUSE_MS:
            self._logged_at[source, field] = now
            self._emit("input_warned", source=source, field=field, reason=problem, count=count)


def _described(counts: Counter[Note]) -> dict[str, dict[str, int]]:
    found: dict[str, dict[str, int]] = {}
    for (field, problem), n in sorted(counts.items()):
        found.setdefault(field, {})[problem] = n
    return found
