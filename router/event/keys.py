"""Ids as strings, and user keys: kind and id in one text."""

from __future__ import annotations

import math
from decimal import Decimal

from router.plugin import JSON

_KINDS = {"user": "u:", "anonymous": "a:", "group": "g:"}
_SHOWN = {key: f"{name}:" for name, key in _KINDS.items()}


def coerce_id(value: JSON) -> str | None:
    """An id as a string: `7`, `7.0` and `" 7 "` are one user. None for what is absent or cannot be an id,
    such as a text with a NUL character."""
    if isinstance(value, str):
        return None if "\x00" in value else value.strip() or None
    if value is None or isinstance(value, bool):
        return None
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float) and math.isfinite(value):
        # repr is the shortest text that reads back as this float; Decimal spells it without an exponent.
        text = format(Decimal(repr(value)), "f")
        text = text.rstrip("0").rstrip(".") if "." in text else text
        return "0" if text == "-0" else text
    return None


def show_user_key(key: str) -> str:
    """A user key as people see it: `u:7` is `user:7`."""
    return _SHOWN[key[:2]] + key[2:]


def parse_user(text: str) -> str:
    """The user key of what an operator typed: `user:7`, `anonymous:7`, `group:7`, or just `7` for a user."""
    kind, colon, rest = text.partition(":")
    if colon and kind in _KINDS:
        return _KINDS[kind] + rest.strip()
    return "u:" + text.strip()
