"""Hold an item's body against the contract: a JSON value that reads back as it was, and is not too large."""

from __future__ import annotations

import math
from collections.abc import Mapping

import msgspec

from router.plugin import JSON, MAX_ITEMS_BYTES, Item, JsonTooLarge, json_within


class ItemTooLarge(Exception):
    """The items of one event have more JSON than is kept, or there are more of them."""

    def __str__(self) -> str:
        words = (
            str(self.args[0]) if self.args else f"more than {MAX_ITEMS_BYTES:,} bytes of JSON in the items of one event"
        )
        return f"{words}: return less for one event"


def encoded(item: Item, room: int) -> bytes:
    """The item's body as JSON. No more than `room` is ever encoded, whatever the body.

    Raises:
        ItemTooLarge: it is larger.
        TypeError, ValueError: it is no JSON.
    """
    made = item._json
    if made is None:
        try:
            made = json_within(item._body, room)
        except JsonTooLarge:
            raise ItemTooLarge from None
    if len(made) > room:
        raise ItemTooLarge
    return made


def fault_of_json(body: JSON, encoded: bytes) -> str:
    """What in a body is no JSON value, and where; "" where nothing is. `encoded`: the body as JSON.

    The encoder would write an instant or a number as key as text, and the plugin would meet text at the next attempt.
    """
    return "" if msgspec.json.decode(encoded) == body else _fault(body, "body")


def _fault(value: JSON, path: str) -> str:
    if value is None or isinstance(value, str | bool | int):
        return ""
    if isinstance(value, float):
        return "" if math.isfinite(value) else f"{path} is {value}: JSON has no such number"
    if isinstance(value, Mapping):
        for key, inner in value.items():
            if not isinstance(key, str):
                return f"{path} has the key {key!r}: want text"
            if fault := _fault(inner, f"{path}.{key}"):
                return fault
        return ""
    if isinstance(value, list | tuple):
        return next(filter(None, (_fault(inner, f"{path}[{index}]") for index, inner in enumerate(value))), "")
    return f"{path} is a {type(value).__name__}: want a JSON value (dict, list, text, number, True, False or None)"
