"""Which keyed state of a plugin is a person's. A plugin chooses its keys and values, so this goes by what they say."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Any

import msgspec

_BETWEEN = re.compile(r"[/:|#,\s]")
"""What plugins put between the parts of a key."""


def is_theirs(ids: Collection[str], key: str, value: bytes) -> bool:
    """Whether a part of the key, or a text in the value (JSON), is one of these ids.

    Numbers in the value and names of its fields are no ids. An id of digits only counts as the first part of a key: `usage:7` may be
    the seventh counter of everybody.
    """
    first, *others = _BETWEEN.split(key)
    if key in ids or first in ids or any(part in ids and not part.isdecimal() for part in others):
        return True
    return _says(ids, msgspec.json.decode(value))


def _says(ids: Collection[str], value: Any) -> bool:
    if isinstance(value, str):
        return value in ids
    if isinstance(value, dict):
        return any(_says(ids, inner) for inner in value.values())
    return isinstance(value, list) and any(_says(ids, inner) for inner in value)
