"""A changed key of config.toml as lines: of a table, or a list of tables, only what differs in it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from difflib import SequenceMatcher
from typing import Any, NamedTuple

from router.cli.output import toml_value

BARE = re.compile(r"[A-Za-z0-9_-]+")


class Part(NamedTuple):
    """What differs below a key."""

    key: str
    mark: str  #: "+" it comes, "-" it goes, " " it changes
    old: Any = None
    new: Any = None


def lines(key: str, change: str, old: Any, new: Any) -> list[str]:
    """The change of a key. change: `added`, `removed` or `changed`; old and new: as config.toml has them, secrets masked."""
    if change == "added":
        return [_line(Part(key, "+", None, new))]
    if change == "removed":
        return [_line(Part(key, "-", old, None))]
    return [_line(part) for part in _parts(key, old, new)] or [f"  {key}: changed"]


def _line(part: Part) -> str:
    if part.mark == " ":
        return f"  {part.key}: {toml_value(part.old)} -> {toml_value(part.new)}"
    return f"{part.mark} {part.key} = {toml_value(part.new if part.mark == '+' else part.old)}"


def _parts(key: str, old: Any, new: Any) -> Iterator[Part]:
    """Nothing where the two look the same: a secret in them differs."""
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        for name in {**old, **new}:
            below = f"{key}.{name if BARE.fullmatch(name) else json.dumps(name, ensure_ascii=False)}"
            if name not in new:
                yield Part(below, "-", old=old[name])
            elif name not in old:
                yield Part(below, "+", new=new[name])
            else:
                yield from _parts(below, old[name], new[name])
    elif _is_tables(old) and _is_tables(new) and (old or new):
        yield from _parts_of_tables(key, old, new)
    elif old != new:
        yield Part(key, " ", old, new)


def _parts_of_tables(key: str, old: Sequence[Any], new: Sequence[Any]) -> Iterator[Part]:
    """Tables have no names that tell which is which: what stands between equal ones is compared in its order."""
    texts = [[json.dumps(table, sort_keys=True) for table in tables] for tables in (old, new)]
    for _, first, last, other_first, other_last in SequenceMatcher(
        a=texts[0], b=texts[1], autojunk=False
    ).get_opcodes():
        before, after = old[first:last], new[other_first:other_last]
        for n in range(max(len(before), len(after))):
            if n >= len(after):
                yield Part(f"{key}[{first + n}]", "-", old=before[n])
            elif n >= len(before):
                yield Part(f"{key}[{other_first + n}]", "+", new=after[n])
            else:
                yield from _parts(_numbered(key, other_first + n, after[n]), before[n], after[n])


def _numbered(key: str, number: int, table: Mapping[str, Any]) -> str:
    """A table of a list, as the errors of `check` name it."""
    named = table.get("title") or table.get("name")
    return f"{key}[{number}] ({named})" if isinstance(named, str) else f"{key}[{number}]"


def _is_tables(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(one, Mapping) for one in value)
