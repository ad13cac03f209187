"""Which type a JSON value has as a column, and whether it fits a column that has one already."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from datetime import UTC
from decimal import Decimal
from typing import Any

from router.plugin import JSON, as_instant

TEXT, BIGINT, DOUBLE, BOOLEAN = "text", "bigint", "double precision", "boolean"
INSTANT, JSONB = "timestamp with time zone", "jsonb"

SHORT = {TEXT: "text", BIGINT: "bigint", DOUBLE: "double", BOOLEAN: "boolean", INSTANT: "timestamp", JSONB: "json"}
"""What the second column of a name ends in, by the type of its values."""

UNFIT: Any = object()
"""A value that this type cannot hold."""

_INSTANT = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:?\d\d)", re.ASCII)
_EXACT = 2**53
"""Whole numbers up to here are exact as double precision."""


def type_of(value: JSON) -> str:
    """The type of a new column for this value."""
    if isinstance(value, bool):
        return BOOLEAN
    if isinstance(value, int):
        return BIGINT if value.bit_length() < 64 else TEXT
    if isinstance(value, float):
        return DOUBLE
    if isinstance(value, str):
        return INSTANT if _instant(value) is not UNFIT else TEXT
    return JSONB


def wider(one: str, other: str) -> str:
    """The type of a column that does not exist yet and gets values of both types."""
    return DOUBLE if {one, other} == {BIGINT, DOUBLE} else one


def clean(value: JSON) -> JSON:
    """The value without U+0000, which neither text nor jsonb can hold."""
    if isinstance(value, str):
        return value.replace("\x00", "\ufffd")
    if isinstance(value, Mapping):
        return {clean(name): clean(inner) for name, inner in value.items()}
    return [clean(inner) for inner in value] if isinstance(value, list) else value


def fitted(value: JSON, type: str) -> Any:
    """The value as the driver wants it for a column of this type, or UNFIT."""
    made = COLUMNS.get(type)
    return UNFIT if made is None else made[1](value)


def _text(value: JSON) -> Any:
    return value if isinstance(value, str) else _json(value)


def _json(value: JSON) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _whole(bits: int) -> Callable[[JSON], Any]:
    def whole(value: JSON) -> Any:
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        fits = isinstance(value, int) and not isinstance(value, bool) and value.bit_length() < bits
        return value if fits else UNFIT

    return whole


def _double(value: JSON) -> Any:
    if isinstance(value, int) and not isinstance(value, bool):
        return float(value) if abs(value) <= _EXACT else UNFIT
    return value if isinstance(value, float) else UNFIT


def _decimal(value: JSON) -> Any:
    return Decimal(str(value)) if isinstance(value, int | float) and not isinstance(value, bool) else UNFIT


def _boolean(value: JSON) -> Any:
    return value if isinstance(value, bool) else UNFIT


def _instant(value: JSON) -> Any:
    found = as_instant(value) if isinstance(value, str) and _INSTANT.fullmatch(value) else None
    return UNFIT if found is None else found


def _local(value: JSON) -> Any:
    found = _instant(value)
    return found if found is UNFIT else found.astimezone(UTC).replace(tzinfo=None)


COLUMNS: Mapping[str, tuple[str, Callable[[JSON], Any]]] = {
    TEXT: ("text[]", _text),
    "character varying": ("text[]", _text),
    BIGINT: ("bigint[]", _whole(64)),
    "integer": ("bigint[]", _whole(32)),
    "smallint": ("bigint[]", _whole(16)),
    DOUBLE: ("double precision[]", _double),
    "numeric": ("numeric[]", _decimal),
    BOOLEAN: ("boolean[]", _boolean),
    INSTANT: ("timestamptz[]", _instant),
    "timestamp without time zone": ("timestamp[]", _local),
    JSONB: ("jsonb[]", _json),
}
"""Types of columns that we write, ours and those of tables made by others: the type of the parameter, and how a value becomes one."""
