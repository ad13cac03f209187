"""A destination's `filter` and `filters` at work: whether an event goes on to it, and what of the event does. Pure.

Compiled once at load; None where there is nothing to ask. Every condition is asked of the event as it was accepted, before any
filter or mapping table changes it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import msgspec

from router.config import DestinationConfig, FilterAction, FilterTable
from router.event import HAS_PROPERTIES, HAS_TRAITS, coerce_id
from router.filters import Condition, compile_condition, compile_value
from router.filters.fields import Fields, dropped, only
from router.filters.sampling import fraction
from router.plugin import Event

EXPRESSION, DROP, SAMPLE, EVENT_NAME = "filter", "filter_drop", "filter_sample", "event_name"
REASONS = (EXPRESSION, DROP, SAMPLE, EVENT_NAME)
"""Why an event is `filtered` by these filters, or by `event_names` of the mapping table."""

Call = Mapping[str, Any]


class Stopped(msgspec.Struct, frozen=True):
    """A filter keeps an event back: the reason, the filter's title ("" for `filter`) and its expression."""

    reason: str
    title: str
    expression: str


class Drop(msgspec.Struct, frozen=True):
    """Keeps back what its condition holds for."""

    holds: Condition
    stopped: Stopped

    def keeps_back(self, call: Call) -> bool:
        """Whether the event ends here."""
        return self.holds(call)


class Sample(msgspec.Struct, frozen=True):
    """Lets a share go on of what its condition holds for."""

    holds: Condition
    stopped: Stopped
    percent: float
    value: Callable[[Call], Any]  #: what decides; the message id, unless the filter names a field

    def keeps_back(self, call: Call) -> bool:
        """Whether the event ends here. The same for each attempt and each replay."""
        return self.holds(call) and fraction(self.value(call)) >= self.percent


class Removal(msgspec.Struct, frozen=True):
    """Takes fields out of the events for which its condition holds."""

    holds: Condition
    change: Callable[[Call, Fields], dict[str, Any]]
    fields: Fields


class EventFilter(msgspec.Struct, frozen=True):
    """All filters of one destination, in the order in which they are asked."""

    wanted: tuple[Condition, Stopped] | None  #: `filter`: what it holds for goes on
    stops: tuple[Sample | Drop, ...]
    changes: tuple[Removal, ...]
    changes_mark: str  #: differs where other fields would be taken out; "" where none are

    def stopped(self, call: Call) -> Stopped | None:
        """What keeps this event back; None: it goes on."""
        if self.wanted is not None and not self.wanted[0](call):
            return self.wanted[1]
        for stop in self.stops:
            if stop.keeps_back(call):
                return stop.stopped
        return None

    def changed(self, event: Event, call: Call) -> Event:
        """The event as it goes on. `call`: the event as it was accepted, of which the conditions are asked."""
        payload: Any = event.payload
        for rule in self.changes:
            if rule.holds(call):
                payload = rule.change(payload, rule.fields)
        return event if payload is event.payload else _with_payload(event, payload)


def compile_filter(config: DestinationConfig) -> EventFilter | None:
    """The filters of a destination, which were checked before; None where there are none."""
    wanted = None
    if config.filter:
        wanted = compile_condition(config.filter), Stopped(EXPRESSION, "", config.filter)
    pairs = [(table, action) for table in config.filters if table.enabled for action in table.actions]
    stops = [*_stops(pairs, "SAMPLE"), *_stops(pairs, "DROP"), *_dropped_names(config)]
    changing = [pair for kind in ("DROP_PROPERTIES", "ALLOW_PROPERTIES") for pair in pairs if pair[1].type == kind]
    if wanted is None and not stops and not changing:
        return None
    return EventFilter(wanted, tuple(stops), tuple(_change(*pair) for pair in changing), _mark(changing))


def _stops(pairs: list[tuple[FilterTable, FilterAction]], kind: str) -> Iterator[Sample | Drop]:
    for table, action in pairs:
        if action.type != kind:
            continue
        condition = compile_condition(table.condition)
        if kind == "DROP":
            yield Drop(condition, Stopped(DROP, table.title, table.condition))
        else:
            value = compile_value(action.path or "messageId")
            yield Sample(condition, Stopped(SAMPLE, table.title, table.condition), action.percent or 0.0, value)


def _dropped_names(config: DestinationConfig) -> Iterator[Drop]:
    """The names that `event_names` drops. They are asked last, as the mapping table comes after the filters."""
    names = frozenset(name for name, other in config.mapping.event_names.items() if other is False)
    if names:
        yield Drop(lambda call: call.get("type") == "track" and call.get("event") in names, Stopped(EVENT_NAME, "", ""))


def _change(table: FilterTable, action: FilterAction) -> Removal:
    change = dropped if action.type == "DROP_PROPERTIES" else only
    fields = {path: frozenset(names) for path, names in action.fields.items()}
    if action.type == "ALLOW_PROPERTIES" and "" in fields:
        fields[""] |= {"type", "messageId"}  # without these nothing can be sent
    return Removal(compile_condition(table.condition), change, fields)


def _mark(changing: list[tuple[FilterTable, FilterAction]]) -> str:
    if not changing:
        return ""
    told = [
        [table.condition, action.type, sorted((k, sorted(v)) for k, v in action.fields.items())]
        for table, action in changing
    ]
    return hashlib.blake2b(msgspec.json.encode(told), digest_size=6).hexdigest()


def _with_payload(event: Event, payload: dict[str, Any]) -> Event:
    """The event with what is left of its payload. A key that was taken out is gone from the event's own fields too."""
    context = payload.get("context")
    changes: dict[str, Any] = {"payload": payload}
    if event.type in HAS_TRAITS:
        changes["traits"] = _object(payload.get("traits"))
    if event.type in HAS_PROPERTIES:
        changes["properties"] = _object(payload.get("properties"))
    for field, key in (("user_id", "userId"), ("anonymous_id", "anonymousId"), ("previous_id", "previousId")):
        if key not in payload:
            changes[field] = None
    if "groupId" not in payload:
        own = None if event.type == "group" or not isinstance(context, dict) else coerce_id(context.get("groupId"))
        changes["group_id"] = own
    if ("event" if event.type == "track" else "name") not in payload:
        changes["name"] = None
    if "category" not in payload:
        changes["category"] = None
    return msgspec.structs.replace(event, **changes)


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
