"""Where a key of config.toml stands: its line. Made from sections, so that the standard library stays the only parser of TOML."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from typing import Any

from router.config.broken_toml import is_whole
from router.editing.sections import Section, cut

KeyPath = tuple[str | int, ...]
"""Names, and the number of an element behind the name of its list: `("destination", 1, "delivery", "timeout")`."""


def lines_of(text: str) -> dict[KeyPath, int]:
    """The line of each header and each key of a valid TOML text, from 1. Of a value of several lines it is the first."""
    found: dict[KeyPath, int] = {}
    newest: dict[KeyPath, int] = {}
    line = 1
    for section in cut(text):
        path = _numbered(section, newest)
        if section.header:
            found[path] = line
        line += section.header.count("\n")
        for inner, offset in _statements(section.body):
            found.setdefault((*path, *inner), line + offset)
        line += section.body.count("\n")
    return found


def _numbered(section: Section, newest: dict[KeyPath, int]) -> KeyPath:
    """The path of a header, with numbers. `newest`: of each list of tables, the number of the element that was met last."""
    path: KeyPath = ()
    for at, name in enumerate(section.path):
        path = (*path, name)
        if section.is_element and at == len(section.path) - 1:
            newest[path] = newest.get(path, -1) + 1
        if path in newest:
            path = (*path, newest[path])
    return path


def _statements(body: str) -> Iterator[tuple[KeyPath, int]]:
    """Each key below a header, and how many lines below it."""
    pending, start = "", 0
    for number, line in enumerate(body.splitlines(keepends=True)):
        start = start if pending else number
        pending += line
        if is_whole(pending):
            yield from ((path, start) for path in _paths(tomllib.loads(pending)))
            pending = ""


def _paths(value: Any, path: KeyPath = ()) -> Iterator[KeyPath]:
    if path:
        yield path
    items: Any = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield from _paths(inner, (*path, key))
