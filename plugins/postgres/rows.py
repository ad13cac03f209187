"""From an event to its rows. Pure: names and values, no types of columns yet.

identify  a row of `identifies`, and the user's row of `users`
track     a row of `tracks`, without properties, and one of the event's own table
others    a row of `groups`, `pages`, `screens` or `aliases`
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from plugins.postgres.names import CALL_TABLES, USERS, event_table, identifier, snake
from plugins.postgres.values import clean
from router.plugin import JSON, Event

OVERFLOW = "overflow"
"""The column for everything that has no column of its own, by its name in the call."""
LOADED_AT = "uuid_ts"
MAX_FIELDS = 300
"""Filled columns of a row: each takes up to 24 bytes of the 8 kB that a row has, however long its value is."""
MAX_LEVELS = 5
"""Objects in objects that are flattened; what is deeper is one value."""

Row = dict[str, Any]
"""`table`, and its `columns` by name."""


def rows_of(event: Event) -> list[Row]:
    """The rows of an event. A track call without a name has only the one of `tracks`, with its properties."""
    table, payload = CALL_TABLES[event.type], event.payload
    common = {
        "id": event.message_id,
        "anonymous_id": event.anonymous_id,
        "user_id": event.user_id,
        **{snake(name): payload.get(name) for name in ("timestamp", "originalTimestamp", "receivedAt", "sentAt")},
    }
    context = payload.get("context")
    context = context if isinstance(context, Mapping) else {}
    if event.type == "track":
        if not event.name:
            return [_row(table, common, event.properties, context)]
        own = event_table(event.name)
        named = {**common, "event": own, "event_text": event.name}
        return [_row(table, named, {}, context), _row(own, named, event.properties, context)]
    if event.type == "identify":
        rows = [_row(table, common, event.traits, context)]
        user = {"id": event.user_id, "received_at": common["received_at"]}
        return [*rows, _row(USERS, user, event.traits, context)] if event.user_id else rows
    if event.type == "group":
        return [_row(table, {**common, "group_id": event.group_id}, event.traits, context)]
    if event.type == "alias":
        return [_row(table, {**common, "previous_id": event.previous_id}, {}, context)]
    called = {"name": event.name, "category": event.category}
    viewed = {name: value if value is not None else event.properties.get(name) for name, value in called.items()}
    properties = {name: value for name, value in event.properties.items() if value != viewed.get(name)}
    return [_row(table, {**common, **viewed}, properties, context)]


def _row(table: str, known: Mapping[str, JSON], fields: Mapping[str, JSON], context: Mapping[str, JSON]) -> Row:
    columns = {name: clean(value) for name, value in known.items() if value is not None}
    overflow: dict[str, JSON] = {}
    taken = {*known, OVERFLOW, LOADED_AT}
    for path, value in (*flat((), fields), *flat(("context",), context)):
        column = identifier("_".join(snake(part) or identifier(part) for part in path))
        if column in known or column in (OVERFLOW, LOADED_AT):  # a property called `id` is none of the call's
            column = f"_{column}"
        if column in taken or len(columns) >= MAX_FIELDS:
            overflow[spare(overflow, ".".join(path))] = value
        else:
            taken.add(column)
            columns[column] = value
    if overflow:
        columns[OVERFLOW] = overflow
    return {"table": table, "columns": columns}


def spare(overflow: Mapping[str, JSON], name: str) -> str:
    """A key for this name that is not taken: `{"a.b": 1, "a": {"b": 2}}` has one path twice."""
    name = name.replace("\x00", "\ufffd")
    while name in overflow:
        name += "_"
    return name


def flat(path: tuple[str, ...], value: JSON) -> Iterator[tuple[tuple[str, ...], JSON]]:
    """The values of an object with their paths. Nulls and empty objects have no column."""
    if isinstance(value, Mapping) and len(path) <= MAX_LEVELS:
        for name, inner in value.items():
            yield from flat((*path, name), inner)
    elif value is not None:
        yield path, clean(value)
