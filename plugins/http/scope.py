"""What a path can begin with, and where its value comes from. Pure.

A path is a root and the keys that lead to a value, with dots between: `properties.plan`, `user.address.city`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from router.plugin import JSON, Context, Event, Reject, iso_instant

if TYPE_CHECKING:
    from plugins.http.template import Template

MISSING: Any = object()
"""In place of a value: there is none."""


MAX_ENTRIES, MAX_CHARACTERS = 1_000, 4_000_000
"""Entries of lists that templates are filled in for, of one event, and the characters that go through these templates. A list in a list in a
list, or a long text once more in each entry, could hold up all other events: `lower` takes 20 ns for a character."""


@dataclass
class _Spent:
    """On the entries of the lists of one event."""

    entries: int = 0
    characters: int = 0


class Scope:
    """One event, as the templates of a request see it."""

    def __init__(self, event: Event, context: Context, values: Mapping[str, Template]) -> None:
        self.event, self.context = event, context
        self.item: JSON = MISSING  #: the entry of a list that a template is filled in for
        self._values = values
        self._made: dict[str, JSON] = {}
        self._spent = _Spent()

    def at(self, item: JSON) -> Scope:
        """The same event at an entry of a list. Raises Reject when there are too many."""
        self._spent.entries += 1
        if self._spent.entries > MAX_ENTRIES:
            raise Reject("too_many_entries", f"the lists of this event have more than {MAX_ENTRIES:,} entries")
        inner = Scope(self.event, self.context, self._values)
        inner.item, inner._made, inner._spent = item, self._made, self._spent
        return inner

    def spend(self, value: JSON) -> None:
        """A value goes through a template. Raises Reject when the entries of lists have come to too much."""
        if self.item is MISSING:
            return
        self._spent.characters += _size(value)
        if self._spent.characters > MAX_CHARACTERS:
            words = f"the templates for the entries of its lists go through more than {MAX_CHARACTERS:,} characters"
            raise Reject("too_much_text", words)

    def value(self, name: str) -> JSON:
        """A named value of the settings, made once for the event."""
        if name not in self._made:
            self._made[name] = self._values[name](self)
        return self._made[name]


def _size(value: JSON) -> int:
    """About the characters of a value."""
    if isinstance(value, str):
        return len(value)
    if isinstance(value, Mapping):
        return sum(len(key) + _size(inner) for key, inner in value.items())
    return sum(map(_size, value)) if isinstance(value, list) else 1


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
