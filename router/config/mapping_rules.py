"""The rules of a `[destination.mapping]`, and the faults of a table. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from datetime import date, datetime, time
from typing import Any

from router.config.mapping_paths import ABSENT, OBJECTS, ROOTS, Fault, Rules, find, overlap, read_path, within
from router.config.mapping_values import name_faults, value_faults
from router.config.model import MappingConfig

MAX_NUMBER = 2**63


def rules_of(mapping: MappingConfig) -> dict[str, Rules]:
    """The rules of a faultless table, by object. Objects without any rule are left out."""
    found = {place: Rules() for place in OBJECTS}
    for text, target in mapping.rename.items():
        root, source = read_path(text)
        for place in ROOTS[root]:
            found[place].rename.append((text, source, read_path(target)[1]))
    for key in ("drop", "hash", "only"):
        for text in getattr(mapping, key):
            root, path = read_path(text)
            for place in ROOTS[root]:
                getattr(found[place], key).append((text, path))
    for key in ("set", "type", "default", "max_length"):
        for text, value in getattr(mapping, key).items():
            root, path = read_path(text)
            for place in ROOTS[root]:
                getattr(found[place], key).append((text, path, value))
    return {place: rules for place, rules in found.items() if rules != Rules()}


# ---------------------------------------------------------------- what is wrong


def mapping_problems(mapping: MappingConfig) -> list[str]:
    """Every fault of a table, each with the key below `mapping`, reason and remedy."""
    faults = list(_single(mapping))
    if not faults:  # paths can be held against each other only where each is one
        for rules in rules_of(mapping).values():
            faults += [*_renames(rules), *_drops(rules), *_sets(rules), *value_faults(rules), *_onlys(rules)]
    faults += name_faults(mapping)
    return [f"{_key(mapping, key, text)}: {words}" for key, text, words in dict.fromkeys(faults)]


PATHS = ("rename", "drop", "set", "type", "default", "max_length", "hash", "only")
"""The keys of a table whose entries are paths."""


def names_in(mapping: MappingConfig) -> Iterator[str]:
    """The names of the keys in all paths of a table."""
    for key in PATHS:
        for text in getattr(mapping, key):
            yield from text.split(".")
    for text in mapping.rename.values():
        yield from text.split(".")


def _key(mapping: MappingConfig, key: str, text: str) -> str:
    """The key path of an entry: `rename."properties.area"`, `drop[0] (properties.area)`."""
    entries = getattr(mapping, key)
    return f"{key}[{entries.index(text)}] ({text})" if isinstance(entries, tuple) else f'{key}."{text}"'


def _single(mapping: MappingConfig) -> Iterator[Fault]:
    """The faults of single paths and values."""
    for key in PATHS:
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
    for key in ("set", "default"):
        for text, value in getattr(mapping, key).items():
            if reason := _not_json(value):
                yield key, text, reason


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
            if overlap(source, other_source):
                yield "rename", text, f'overlaps with "{other}", which is renamed too; leave one of them out'
            if overlap(target, other_target):
                yield "rename", text, f'its new path overlaps with that of "{other}"; give each its own'


def _drops(rules: Rules) -> Iterator[Fault]:
    for text, path in rules.drop:
        for other, source, target in rules.rename:
            if within(path, source) and not within(path, target):
                yield "drop", text, f'"{other}" is renamed before; leave it out, or drop it by its new path'
            if within(target, path):
                yield "drop", text, f'"{other}" is renamed to there; leave one of them out'
        for other, made, _ in rules.set:
            if within(path, made):
                yield "drop", text, f'"{other}" is set; leave one of them out'


def _sets(rules: Rules) -> Iterator[Fault]:
    for at, (text, path, _) in enumerate(rules.set):
        for other, _, target in rules.rename:
            if within(target, path):
                yield "set", text, f'"{other}" is renamed to there; leave one of them out'
        for other, made, _ in rules.set[:at]:
            if overlap(path, made):
                yield "set", text, f'overlaps with "{other}", which is set too; leave one of them out'


def _onlys(rules: Rules) -> Iterator[Fault]:
    if rules.only:
        yield from _kept_twice(rules)
        yield from _kept_but_gone(rules)
        yield from _kept_inside_a_constant(rules)
        yield from _made_but_not_kept(rules)


def _kept_twice(rules: Rules) -> Iterator[Fault]:
    for at, (text, path) in enumerate(rules.only):
        for other, kept in rules.only[:at]:
            if overlap(path, kept):
                yield "only", text, f'overlaps with "{other}"; leave the longer one out'


def _kept_but_gone(rules: Rules) -> Iterator[Fault]:
    """A path to keep whose value was dropped or renamed before, and that no entry fills again."""
    made = [target for _, _, target in rules.rename] + [path for _, path, _ in rules.set]
    for text, path in rules.only:
        if any(overlap(path, there) for there in made):
            continue
        for other, dropped in rules.drop:
            if within(path, dropped):
                yield "only", text, f'"{other}" is dropped before; leave one of them out'
        for other, source, target in rules.rename:
            if within(path, source):
                new = ".".join((text.partition(".")[0], *target))
                yield "only", text, f'"{other}" is renamed before; write "{new}"'


def _kept_inside_a_constant(rules: Rules) -> Iterator[Fault]:
    for text, path in rules.only:
        for other, whole, value in rules.set:
            inside = path[len(whole) :]
            if within(path, whole) and inside and find(value, inside) is ABSENT:
                yield "only", text, f'"{other}" is set to a value that has nothing there; keep "{other}" instead'


def _made_but_not_kept(rules: Rules) -> Iterator[Fault]:
    renamed = [("rename", text, target) for text, _, target in rules.rename]
    constants = [("set", text, path) for text, path, _ in rules.set]
    constants += [("default", text, path) for text, path, _ in rules.default]
    for key, text, path in renamed + constants:
        if not any(overlap(path, kept) for _, kept in rules.only):
            yield key, text, "what it makes is not in `only` and would go again; add it there"


def _not_json(value: Any) -> str:
    """Why a TOML value cannot be part of an event; "" if it can."""
    if isinstance(value, datetime | date | time):
        return 'JSON has no dates and times; write text between quotes, e.g. "2026-01-31"'
    if isinstance(value, float) and not math.isfinite(value):
        return "JSON has no inf and nan; write a number"
    if isinstance(value, int) and not -MAX_NUMBER <= value < MAX_NUMBER:
        return "too large a number; write it as text between quotes"
    inner: Iterable[Any] = value if isinstance(value, list) else ()
    if isinstance(value, dict):
        inner = value.values()
    return next((reason for part in inner if (reason := _not_json(part))), "")
