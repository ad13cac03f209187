"""A config.toml that is no TOML: where the slip is, and what can be read of the rest. Whoever looks after a daemon that runs needs only to
know where it is; what makes a daemon of the file reads all of it or nothing."""

from __future__ import annotations

import codecs
import re
import tomllib
from collections import defaultdict
from itertools import pairwise
from typing import Any, NamedTuple

HEADER = re.compile(r"^[ \t]*\[{1,2}[ \t]*([A-Za-z0-9_-]+)[A-Za-z0-9_. \t-]*\]{1,2}[ \t]*(?:#.*)?$", re.MULTILINE)
"""A line that is a header, and the first of its names."""
NO_LETTER = "\N{REPLACEMENT CHARACTER}"
LOOKED_AT = 100
"""Lines from the end in which the begin of what does not end is looked for: each takes a reading of the file."""


class Readable(NamedTuple):
    """What can be read."""

    tables: dict[str, Any]  #: by the key at the top
    rest: str  #: what cannot be read

    def hides(self, table: str, key: str) -> bool:
        """Whether a key of a table is not known, because it is, or may be, in the rest."""
        name = key if table in self.tables else table
        found = self.tables.get(table)
        if isinstance(found, dict) and key in found:
            return False
        return re.search(rf"^[ \t]*\[*[ \t]*{name}\b", self.rest, re.MULTILINE) is not None


def readable(content: bytes) -> Readable:
    """Each table of a file's content by itself, up to a slip in it. Those of one name are read together."""
    text = content.removeprefix(codecs.BOM_UTF8).decode("utf-8", "replace")
    parts: defaultdict[str, str] = defaultdict(str)
    starts = [0, *(found.start() for found in HEADER.finditer(text)), len(text)]
    for start, end in pairwise(starts):
        part = text[start:end]
        found = HEADER.match(part)
        parts[found[1] if found else ""] += part
    tables, rest = {}, ""
    for part in parts.values():
        whole = _whole_begin(part) or "" if NO_LETTER not in part else ""
        tables.update(tomllib.loads(whole))
        rest += part[len(whole) :]
    return Readable(tables, rest)


def fault_of(text: str, error: tomllib.TOMLDecodeError) -> str:
    """Line and reason."""
    found = re.fullmatch(r"(.*?) \(at (line \d+), column (\d+)\)", str(error), re.DOTALL)
    if found:
        return f"{found[2]}, column {found[3]}: {found[1]}"
    begin = _whole_begin(text)
    if begin is not None:
        return f"line {begin.count(chr(10)) + 1}: what begins there does not end"
    return f"line {text.count(chr(10))}, the last one: {str(error).partition(' (at ')[0]}"


def _whole_begin(text: str) -> str | None:
    """The statements before the one that is broken; None where that is long."""
    lines = text.splitlines(keepends=True)
    for end in range(len(lines), max(-1, len(lines) - LOOKED_AT), -1):
        if is_whole(begin := "".join(lines[:end])):
            return begin
    return None


def is_whole(text: str) -> bool:
    """Whether a text ends where a statement ends, and not inside a value."""
    try:
        tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return False
    return True
