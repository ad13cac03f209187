"""What a path can begin with, and where its value comes from. Pure.

A path is a root and the keys that lead to a value, with dots between: `properties.plan`, `user.address.city`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import count
from typing import TYPE_CHECKING, Any

from router.plugin import JSON, Context, Event, Reject, iso_instant

if TYPE_CHECKING:
    from plugins.http.template import Template

MISSING: Any = object()
"""In place of a value: there is none."""


MAX_ENTRIES = 1_000
"""Entries of lists that templates are filled in for, of one event. A list in a list in a list could hold up all other events."""


class Scope:
    """One event, as the templates of a request see it."""

    def __init__(self, event: Event, context: Context, values: Mapping[str, Template]) -> None:
        self.event, self.context = event, context
        self.item: JSON = MISSING  #: the entry of a list that a template is filled in for
        self._values = values
        self._made: dict[str, JSON] = {}
        self._entries = count(1)

    def at(self, item: JSON) -> Scope:
        """The same event at an entry of a list. Raises Reject when there are too many."""
        if next(self._entries) > MAX_ENTRIES:
            raise Reject("too_many_entries", f"the lists of this event have more than {MAX_ENTRIES:,} entries")
        inner = Scope(self.event, self.context, self._values)
        inner.item, inner._made, inner._entries = item, self._made, self._entries
        return inner

    def value(self, name: str) -> JSON:
        """A named value of the settings, made once for the event."""
        if name not in self._made:
            self._made[name] = self._values[name](self)
        return self._made[name]


ROOTS: Mapping[str, Callable[[Scope], JSON]] = {
    "type": lambda scope: scope.event.type,
    "messageId": lambda scope: scope.event.message_id,
    "userId": lambda scope: scope.event.user_id,
    "anonymousId": lambda scope: scope.event.anonymous_id,
    "groupId": lambda scope: scope.event.group_id,
    "previousId": lambda scope: scope.event.previous_id,
    "event": lambda scope: scope.event.name if scope.event.type == "track" else None,
    "name": lambda scope: scope.event.name if scope.event.type != "track" else None,
    "category": lambda scope: scope.event.category,
    "timestamp": lambda scope: iso_instant(scope.event.timestamp),
    "originalTimestamp": lambda scope: iso_instant(scope.event.original_timestamp),
    "receivedAt": lambda scope: iso_instant(scope.event.received_at),
    "source": lambda scope: scope.event.source,
    "traits": lambda scope: scope.event.traits,
    "properties": lambda scope: scope.event.properties,
    "context": lambda scope: scope.event.payload.get("context"),
    "options": lambda scope: scope.event.options,
    "call": lambda scope: scope.event.payload,
    "user": lambda scope: scope.context.user.traits if scope.context.user else None,
    "group": lambda scope: scope.context.group.traits if scope.context.group else None,
}
"""`user` and `group` are all known traits. `options` is the destination's object in `integrations`."""

TABLES = frozenset({"traits", "properties", "context", "options", "call", "user", "group"})
"""The roots with keys in them."""


def within(value: JSON, keys: Sequence[str]) -> JSON:
    """The value at these keys, MISSING if there is none. A number as key counts the entries of a list, from 0."""
    for key in keys:
        if isinstance(value, Mapping) and key in value:
            value = value[key]
        elif isinstance(value, list) and key.isdecimal() and len(key) < 9 and int(key) < len(value):
            value = value[int(key)]
        else:
            return MISSING
    return value
