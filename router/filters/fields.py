"""Taking properties out of an event. What is given is never changed: objects on the way to a change are copied."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

Fields = Mapping[str, Collection[str]]
"""By the dotted path of an object (`properties`, `context.traits`; "" is the event itself): names of its keys."""


def dropped(event: Mapping[str, Any], fields: Fields) -> dict[str, Any]:
    """The event without these keys."""
    made = dict(event)
    for path, names in fields.items():
        made = _changed(made, _keys(path), names, keep=False)
    return made


def only(event: Mapping[str, Any], fields: Fields) -> dict[str, Any]:
    """The event with nothing but these keys in the objects that are named. Other objects stay whole."""
    made = dict(event)
    for path, names in fields.items():
        made = _changed(made, _keys(path), names, keep=True)
    return made


def _keys(path: str) -> list[str]:
    return path.split(".") if path else []


def _changed(value: Any, path: list[str], names: Collection[str], *, keep: bool) -> Any:
    if isinstance(value, list):
        return [_changed(item, path, names, keep=keep) for item in value]
    if not isinstance(value, dict):
        return value
    if not path:
        return {key: inner for key, inner in value.items() if (key in names) is keep}
    first, *rest = path
    return {**value, first: _changed(value[first], rest, names, keep=keep)} if first in value else value
