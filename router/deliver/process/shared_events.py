"""All destinations that keep up share an opened event. A plugin that changes one is found by a sample, and gets copies.

What a plugin that changes none puts into an item as it is, is JSON as it was read: it is not looked at again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import msgspec

from router.plugin import Event
from router.store import LogRow, ParkedRow

ALWAYS, THEN_EVERY = 20, 256
"""Of each call type the first events are looked at, then one in so many. A look takes 10 us, a copy of each event 5."""


class SharedEvents:
    """Of one destination. `is_allowed` False: its plugin changes events, so it opens each for itself."""

    def __init__(self, warn: Callable[..., None]) -> None:
        self.is_allowed = True
        self._warn = warn
        self._seen: Counter[str] = Counter()

    def is_sample(self, event: Event) -> bool:
        """Whether this event is to be looked at."""
        if not self.is_allowed:
            return False
        n = self._seen[event.type] = self._seen[event.type] + 1
        return n <= ALWAYS or n % THEN_EVERY == 0

    def is_unchanged(self, event: Event) -> bool:
        """Whether an event that was mapped is surely as it was read: as many of its type were looked at as it takes."""
        return self.is_allowed and self._seen[event.type] > ALWAYS

    @contextmanager
    def watched(self, log_event: LogRow | ParkedRow, event: Event) -> Iterator[None]:
        """Around a mapping hook: notes whether it changes the event."""
        before = msgspec.json.encode(event.payload)
        try:
            yield
        finally:
            if _json_of(event) != before:
                if isinstance(log_event, LogRow):
                    log_event.opened = log_event.payload_item = None
                self.is_allowed = False
                self._warn("changes_events")


def _json_of(event: Event) -> bytes | None:
    """The payload as JSON; None where a plugin put into it what JSON cannot hold."""
    try:
        return msgspec.json.encode(event.payload)
    except Exception:
        return None
