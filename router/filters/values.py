"""Values of an event: strict equality, types by FQL's names, and compact JSON."""

from __future__ import annotations

import json
from typing import Any

MOST_EXACT = 10**21
"""From here on a whole float is written with an exponent, as JSON libraries do."""


def equal(one: Any, other: Any) -> bool:
    """Same type and same value. Numbers are equal by value (1 and 1.0), lists item by item, objects key by key."""
    kind = type(one)
    if kind is str or one is None:
        return bool(one == other)
    if kind is bool or type(other) is bool:
        return one is other
    if kind is list:
        return type(other) is list and len(one) == len(other) and all(map(equal, one, other))
    if kind is dict:
        return (
            type(other) is dict
            and one.keys() == other.keys()
            and all(equal(value, other[key]) for key, value in one.items())
        )
    return bool(one == other)


TYPES = {str: "string", int: "number", float: "number", bool: "bool", list: "list", dict: "object", type(None): "null"}


def type_of(value: Any) -> str:
    """The type of a value by its name in FQL."""
    return TYPES[type(value)]


def is_number(value: Any) -> bool:
    """Whether it is a number, which a bool is not."""
    return type(value) is int or type(value) is float


def compact_json(value: Any) -> str | None:
    """JSON without blanks, text as it is, whole numbers without a point. None: it has no JSON."""
    try:
        return json.dumps(_plain(value), ensure_ascii=False, separators=(",", ":"))
    except (ValueError, RecursionError):  # an integer of more digits than Python writes
        return None


def _plain(value: Any) -> Any:
    if type(value) is float and value.is_integer() and abs(value) < MOST_EXACT:
        return int(value)
    if type(value) is list:
        return [_plain(item) for item in value]
    return {key: _plain(inner) for key, inner in value.items()} if type(value) is dict else value
