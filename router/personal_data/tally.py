"""Counts what looks personal in calls: per source, the path, what it looks like, and in how many calls. Never a value."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from router.personal_data.names import what_is_named
from router.personal_data.shapes import what_looks

ROOTS = ("context", "properties", "traits")
IDS = ("userId", "anonymousId", "groupId", "previousId")

MAX_FOUND = 2_000
"""Different findings of one tally; those beyond are only counted."""

ODD_KEY = "*"
"""In place of a key that looks personal itself, or that config.toml cannot name."""

_HASH = re.compile(r"[0-9a-f]{64}")
_PLAIN_KEY = re.compile(r"[\w $:/-]{1,64}")
_NO_ADDRESS = frozenset({"version", "build"})
"""Under these keys four numbers with points are no address."""


class Found(NamedTuple):
    """One finding."""

    source: str
    path: str  #: `traits.email`; the path of a list is that of its items
    what: str  #: `email`, `phone`, ...: a word of `names.NAMES`, or `name`
    by: str  #: `name` or `shape`


class Tally:
    """What was found so far."""

    def __init__(self) -> None:
        self.counts: Counter[Found] = Counter()
        self.left_out = 0  #: findings beyond MAX_FOUND

    def add(self, source: str, type: str, call: Mapping[str, Any]) -> None:
        """Count the findings of a call, each once."""
        seen = {Found(source, *found) for found in _of_call(type, call)}
        for found in seen:
            if found in self.counts or len(self.counts) < MAX_FOUND:
                self.counts[found] += 1
            else:
                self.left_out += 1


def _of_call(type: str, call: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    for key in IDS:
        if what := what_looks(call.get(key)):
            yield key, what, "shape"
    for root in ROOTS:
        for path, what, by in _inside(root, call.get(root)):
            if what != "name" or (path == "traits.name" and type == "identify"):
                yield path, what, by


def _inside(path: str, value: Any, key: str = "") -> Iterator[tuple[str, str, str]]:
    """Of a value and of all that is in it."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from _inside(f"{path}.{_shown(name)}", inner, name)
    elif isinstance(value, list):
        for item in value:
            yield from _inside(path, item, key)
    elif value is not None and value != "" and not isinstance(value, bool):
        yield from _of_value(path, value, key)


def _of_value(path: str, value: Any, key: str) -> Iterator[tuple[str, str, str]]:
    if isinstance(value, str) and _HASH.fullmatch(value):
        return
    if what := what_is_named(key):
        yield path, what, "name"
    if (what := what_looks(value)) and not (what == "ip" and key in _NO_ADDRESS):
        yield path, what, "shape"


def _shown(key: str) -> str:
    return key if _PLAIN_KEY.fullmatch(key) and not what_looks(key) else ODD_KEY
