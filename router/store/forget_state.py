"""Which keyed state of a plugin is a person's. A plugin chooses its keys and values, so this goes by what they say."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from typing import Any

import msgspec

_BETWEEN = re.compile(r"[/:|#,\s]")
"""What plugins put between the parts of a key. Ids may have it, too: `auth0|5f7c`."""
_KINDS = frozenset({"u", "user", "a", "anonymous", "g", "group"})
"""The part before an id of digits only that tells it from a number."""


class StateOf:
    """Tells the keyed state of the people or groups with these ids."""

    def __init__(self, ids: Collection[str]) -> None:
        self._ids = frozenset(ids)
        self._most_parts = max((len(_BETWEEN.split(one)) for one in self._ids), default=1)

    def has(self, key: str, value: bytes) -> bool:
        """Whether some parts of the key, or a text in the value (JSON), are one of these ids.

        Numbers in the value and names of its fields are no ids. An id of digits only counts as the first part of a key, and behind its
        kind (`u:7`): `usage:7` may be the seventh counter of everybody.
        """
        if not self._ids:
            return False
        return any(part in self._ids for part in self._parts(key)) or self._says(msgspec.json.decode(value))

    def _parts(self, key: str) -> Iterator[str]:
        """What may be an id: parts of the key that follow each other, with what is between them."""
        between = list(_BETWEEN.finditer(key))
        begins, ends = [0, *(one.end() for one in between)], [*(one.start() for one in between), len(key)]
        for n, begin in enumerate(begins):
            may_be_digits = not n or key[begins[n - 1] : ends[n - 1]] in _KINDS
            for end in ends[n : n + self._most_parts]:
                part = key[begin:end]
                if may_be_digits or not part.isdecimal():
                    yield part

    def _says(self, value: Any) -> bool:
        if isinstance(value, str):
            return value in self._ids
        if isinstance(value, dict):
            return any(map(self._says, value.values()))
        return isinstance(value, list) and any(map(self._says, value))
