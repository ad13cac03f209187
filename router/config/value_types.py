"""The types that `[destination.mapping]` brings values to. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from router.config.mapping_paths import ABSENT
from router.filters.functions import boolean, number
from router.filters.values import compact_json
from router.plugin import as_instant


def _text(value: Any) -> Any:
    if isinstance(value, str):
        return value
    return ABSENT if (text := compact_json(value)) is None else text


def _number(value: Any) -> Any:
    return ABSENT if (found := number(value)) is None else found


def _date(value: Any) -> Any:
    if isinstance(value, bool | list | dict) or (at := as_instant(value)) is None:
        return ABSENT
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _bool(value: Any) -> Any:
    return ABSENT if isinstance(value, list | dict) or (found := boolean(value)) is None else found


CONVERTERS: Mapping[str, Callable[[Any], Any]] = {"text": _text, "number": _number, "date": _date, "bool": _bool}
"""By the name of the type. Each takes a value that is not null; ABSENT: it cannot be brought to the type.

text: anything else as its JSON. number: digits with sign and point. date: an instant as ISO 8601 in UTC, from what
`router.plugin.as_instant` reads. bool: true and false as text too, and a number that is 0 or not.
"""
