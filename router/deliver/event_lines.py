"""Log lines about events at one destination."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from router.deliver.lanes.delivery import Delivery
from router.deliver.process.mapper import FORGET
from router.event import show_user_key
from router.logger import Log, event_fields
from router.store import LogRow


class EventLines:
    """Writes one line for an event, or one for each of many."""

    def __init__(self, log: Log) -> None:
        self._log = log

    def line(
        self, name: str, delivery: Delivery, *, outcome: str | None = None, reason: str | None = None, **more: Any
    ) -> None:
        """One line about an event."""
        if self._log.writes(name, outcome):
            self._log.event(name, _fields(delivery), outcome=outcome, reason=reason, **more)

    def lines(
        self, name: str, deliveries: Sequence[Delivery], *, outcome: str | None = None, reason: str | None = None
    ) -> None:
        """The same line about each of these events."""
        if self._log.writes(name, outcome):
            fields = [(d.lane is None and d.log_event.fields) or _fields(d) for d in deliveries]
            self._log.event_lines(name, fields, outcome=outcome, reason=reason)


def _fields(delivery: Delivery) -> bytes:
    """The ids of an event as a piece of JSON; made once for all destinations that keep up. Of a deletion it is not told whose."""
    event = delivery.log_event
    user_key = event.user_key if delivery.lane is None else delivery.lane.key
    if not isinstance(event, LogRow) or user_key != event.user_key:
        made = delivery.line_ids
        if made is None or made[0] != user_key:
            user = show_user_key(user_key) if event.type != FORGET else ""
            made = user_key, event_fields(event.message_id, event.source, user, event.type)
            delivery.line_ids = made
        return made[1]
    if event.fields is None:
        event.fields = event_fields(event.message_id, event.source, show_user_key(user_key), event.type)
    return event.fields
