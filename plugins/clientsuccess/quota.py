"""What an account may use in a month, 20 event names and a million events: counted, warned of, and never a reason to stop.

The counts stand in keyed state and so survive restarts and crashes. One key for all events would make every record wait for
the one before; so they are spread over SHARDS keys by message id, and the instance adds up those it has met. Exact: each
event is counted once, in the commit that stores what was made of it; attempts are not. After a start the sum lacks the shards
that no event has met yet, which a few hundred events end.
"""

from __future__ import annotations

import hashlib
import zlib
from typing import Any

from router.plugin import Context, Event

NAMES_A_MONTH, EVENTS_A_MONTH = 20, 1_000_000
SHARDS = 32
EARLY = 0.8
"""The share of a quota from which it is warned of, before it is used up."""


def state_key(event: Event) -> str:
    """The shard that counts this event."""
    return f"usage:{_shard(event)}"


def _shard(event: Event) -> int:
    return zlib.crc32(event.message_id.encode("utf-8", "surrogatepass")) % SHARDS


def _digest(name: str) -> str:
    """A short hash of a name, so that the state of a shard stays small."""
    return hashlib.blake2b(name.encode("utf-8", "surrogatepass"), digest_size=6).hexdigest()


class Quota:
    """What this month's shards say, as far as they were met. `count` warns once as each quota comes near and once as it ends,
    under two names: a second warning of one name within a minute gets no line in the log."""

    def __init__(self) -> None:
        self._month = ""
        self._events: dict[int, int] = {}
        self._names: set[str] = set()
        self._told: dict[str, int] = {}

    def count(self, name: str, event: Event, context: Context) -> None:
        """Count one event. Its month is that of its acceptance, or a later one that has begun here."""
        kept: dict[str, Any] = context.state or {"month": "", "events": 0, "names": []}
        month = max(self._month, kept["month"], f"{event.received_at:%Y-%m}")
        if month > self._month:
            self._begin(month)
        if kept["month"] != month:
            kept = {"month": month, "events": 0, "names": []}
        names, named = kept["names"], _digest(name)
        if named not in names and len(names) <= NAMES_A_MONTH:
            names = [*names, named]
        context.state = {"month": month, "events": kept["events"] + 1, "names": names}
        # A replayed event comes without the state. What its shard has counted before stays.
        self._events[_shard(event)] = max(self._events.get(_shard(event), 0), kept["events"] + 1)
        self._names.update(names)
        self._warn("events_quota", "events", sum(self._events.values()), EVENTS_A_MONTH, context)
        self._warn("event_names_quota", "names", len(self._names), NAMES_A_MONTH, context)

    def _begin(self, month: str) -> None:
        self._month = month
        self._events = {}
        self._names = set()
        self._told = {}

    def _warn(self, reason: str, what: str, used: int, limit: int, context: Context) -> None:
        level = (used >= EARLY * limit) + (used >= limit)
        if level > self._told.get(reason, 0):
            self._told[reason] = level
            context.warn(f"{reason}_{'used_up' if used >= limit else 'near'}", **{what: used}, limit=limit)
