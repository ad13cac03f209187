"""The paths of `[destination.mapping]`: whose values they name, and what is wrong with a table of them. Pure.

A path is a root and the keys that lead to a value, with dots between: `properties.area`, `traits.address.city`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, time
from typing import Any

from router.config.model import MappingConfig

Path = tuple[str, ...]
"""The keys of a path, without its root."""

ROOTS: Mapping[str, tuple[str, ...]] = {
    "properties": ("properties",),
    "traits": ("user", "group"),
    "user": ("user",),
    "group": ("group",),
}
"""What a path may begin with, and the places it speaks of. Each place is one JSON object, mapped by itself."""

PLACES = ("properties", "user", "group")

MAX_NUMBER = 2**63

ABSENT = object()
"""In place of a value: there is none."""

Fault = tuple[str, str, str]
"""Key of the table, the path's text, and reason with remedy."""


@dataclass
class Rules:
    """What a mapping table says of one place. Each path stands beside its text in config.toml."""

    rename: list[tuple[str, Path, Path]] = field(default_factory=list)
    drop: list[tuple[str, Path]] = field(default_factory=list)
    set: list[tuple[str, Path, Any]] = field(default_factory=list)
    only: list[tuple[str, Path]] = field(default_factory=list)


def read_path(text: str) -> tuple[str, Path]:
    """Root and keys of a path. Raises ValueError with the words the operator reads."""
    root, _, rest = text.partition(".")
    if root not in ROOTS:
        raise ValueError('not a path; begin it with "properties.", "traits.", "user." or "group."')
    if not rest:
        raise ValueError(f'names no key; write the whole path between quotes, e.g. "{root}.plan"')
    keys = tuple(rest.split("."))
    if "" in keys:
        raise ValueError("a key between two dots is empty; keys with dots in them cannot be named")
    if root in ("user", "group") and keys[0] in ("id", "traits"):
        remedy = {
            "id": f'the id of a {root} stays as it is; write "traits.id" for a trait of that name',
            "traits": f'the keys of "{root}" are its traits already; write "{root}.{".".join(keys[1:]) or "plan"}"',
        }
        raise ValueError(remedy[keys[0]])
    return root, keys


def find(tree: Any, path: Path) -> Any:
    """What stands at a path of one key or more; ABSENT where nothing does."""
    for key in path:
        if not isinstance(tree, dict) or key not in tree:
            return ABSENT
        tree = tree[key]
    return tree


def rules_of(mapping: MappingConfig) -> dict[str, Rules]:
    """A table without faults, place by place; places it does not speak of are left out."""
    found = {place: Rules() for place in PLACES}
    for text, target in mapping.rename.items():
        root, source = read_path(text)
        for place in ROOTS[root]:
            found[place].rename.append((text, source, read_path(target)[1]))
    for text in mapping.drop:
        root, path = read_path(text)
        for place in ROOTS[root]:
            found[place].drop.append((text, path))
    for text, value in mapping.set.items():
        root, path = read_path(text)
        for place in ROOTS[root]:
            found[place].set.append((text, path, value))
    for text in mapping.only:
        root, path = read_path(text)
        for place in ROOTS[root]:
            found[place].only.append((text, path))
    return {place: rules for place, rules in found.items() if rules != Rules()}


# ---------------------------------------------------------------- what is wrong


def mapping_problems(mapping: MappingConfig) -> list[str]:
    """Every fault of a table, each with the key below `mapping`, reason and remedy."""
    faults = list(_single(mapping))
    if not faults:  # paths can be held against each other only where each is one
        for rules in rules_of(mapping).values():
            faults += [*_renames(rules), *_drops(rules), *_sets(rules), *_onlys(rules)]
    return [f"{_key(mapping, key, text)}: {words}" for key, text, words in dict.fromkeys(faults)]


def _key(mapping: MappingConfig, key: str, text: str) -> str:
    """The key path of an entry: `rename."properties.area"`, `drop[0] (properties.area)`."""
    entries = getattr(mapping, key)
    return f"{key}[{entries.index(text)}] ({text})" if isinstance(entries, tuple) else f'{key}."{text}"'


def _single(mapping: MappingConfig) -> Iterator[Fault]:
    """Each path and value by itself."""
    for key in ("rename", "drop", "set", "only"):
        for text in getattr(mapping, key):
            if words := _no_path(text):
                yield key, text, words
    for text, target in mapping.rename.items():
        root, there = (path.partition(".")[0] for path in (text, target))
        if target == text:
            yield "rename", text, "renamed to itself; leave it out"
        elif words := _no_path(target):
            yield (
                "rename",
                text,
                f'the new path "{target}" is {words}' if there not in ROOTS else f"its new path {words}",
            )
        elif root in ROOTS and there != root:
            yield "rename", text, f'the new path "{target}" is in another place; begin it with "{root}." too'
    for text, value in mapping.set.items():
        if reason := _not_json(value):
            yield "set", text, reason


def _no_path(text: str) -> str:
    """Why a text is no path; "" if it is one."""
    try:
        read_path(text)
    except ValueError as error:
        return str(error)
    return ""


def _renames(rules: Rules) -> Iterator[Fault]:
    for at, (text, source, target) in enumerate(rules.rename):
        for other, other_source, other_target in rules.rename[:at]:
            if _overlap(source, other_source):
                yield "rename", text, f'overlaps with "{other}", which is renamed too; leave one of them out'
            if _overlap(target, other_target):
                yield "rename", text, f'its new path overlaps with that of "{other}"; give each its own'


def _drops(rules: Rules) -> Iterator[Fault]:
    for text, path in rules.drop:
        for other, source, target in rules.rename:
            if _within(path, source) and not _within(path, target):
                yield "drop", text, f'"{other}" is renamed before; leave it out, or drop it by its new path'
            if _within(target, path):
                yield "drop", text, f'"{other}" is renamed to there; leave one of them out'
        for other, made, _ in rules.set:
            if _within(path, made):
                yield "drop", text, f'"{other}" is set; leave one of them out'


def _sets(rules: Rules) -> Iterator[Fault]:
    for at, (text, path, _) in enumerate(rules.set):
        for other, _, target in rules.rename:
            if _within(target, path):
                yield "set", text, f'"{other}" is renamed to there; leave one of them out'
        for other, made, _ in rules.set[:at]:
            if _overlap(path, made):
                yield "set", text, f'overlaps with "{other}", which is set too; leave one of them out'


def _onlys(rules: Rules) -> Iterator[Fault]:
    if not rules.only:
        return
    made = [target for _, _, target in rules.rename] + [path for _, path, _ in rules.set]
    for at, (text, path) in enumerate(rules.only):
        for other, kept in rules.only[:at]:
            if _overlap(path, kept):
                yield "only", text, f'overlaps with "{other}"; leave the longer one out'
        if any(_overlap(path, there) for there in made):
            continue
        for other, dropped in rules.drop:
            if _within(path, dropped):
                yield "only", text, f'"{other}" is dropped before; leave one of them out'
        for other, source, target in rules.rename:
            if _within(path, source):
                new = ".".join((text.partition(".")[0], *target))
                yield "only", text, f'"{other}" is renamed before; write "{new}"'
    for text, path in rules.only:
        for other, whole, value in rules.set:
            inside = path[len(whole) :]
            if _within(path, whole) and inside and find(value, inside) is ABSENT:
                yield "only", text, f'"{other}" is set to a value that has nothing there; keep "{other}" instead'
    made_by = [("rename", text, target) for text, _, target in rules.rename]
    for key, text, path in made_by + [("set", text, path) for text, path, _ in rules.set]:
        if not any(_overlap(path, kept) for _, kept in rules.only):
            yield key, text, "what it makes is not in `only` and would go again; add it there"


def _within(path: Path, other: Path) -> bool:
    """Whether `path` is `other`, or inside it."""
    return path[: len(other)] == other


def _overlap(one: Path, other: Path) -> bool:
    return _within(one, other) or _within(other, one)


def _not_json(value: Any) -> str:
    """Why a value of TOML cannot stand in an event; "" if it can."""
    if isinstance(value, datetime | date | time):
        return 'JSON has no dates and times; write text between quotes, e.g. "2026-01-31"'
    if isinstance(value, float) and not math.isfinite(value):
        return "JSON has no inf and nan; write a number"
    if isinstance(value, int) and not -MAX_NUMBER <= value < MAX_NUMBER:
        return "too large a number; write it as text between quotes"
    inner: Iterable[Any] = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return next((reason for part in inner if (reason := _not_json(part))), "")
