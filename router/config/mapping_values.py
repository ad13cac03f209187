"""The faults of `type`, `default`, `max_length`, `hash` and `event_names` in a `[destination.mapping]`. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from router.config.mapping_paths import ABSENT, Fault, Rules, overlap, within
from router.config.model import MappingConfig
from router.config.value_types import CONVERTERS


def name_faults(mapping: MappingConfig) -> Iterator[Fault]:
    """The faults of `event_names`."""
    for name, other in mapping.event_names.items():
        if not name.strip():
            yield "event_names", name, "there is no event without a name; name one"
        elif other == name:
            yield "event_names", name, "renamed to itself; leave it out"
        elif other is not False and not other.strip():
            yield "event_names", name, "the new name is blank; write a name, or false to drop events of this name"


def value_faults(rules: Rules) -> Iterator[Fault]:
    """Entries for one object that contradict each other or could never do anything."""
    yield from _of_no_value(rules)
    yield from _types(rules)
    yield from _constants(rules)
    yield from _lengths(rules)
    yield from _hashes(rules)


def _of_no_value(rules: Rules) -> Iterator[Fault]:
    """Entries for values that were taken away before."""
    entries = [("type", text, path) for text, path, _ in rules.type]
    entries += [("max_length", text, path) for text, path, _ in rules.max_length]
    entries += [("hash", text, path) for text, path in rules.hash]
    made = [target for _, _, target in rules.rename]
    made += [path for _, path, _ in (*rules.set, *rules.default)]
    for key, text, path in entries:
        if any(overlap(path, there) for there in made):
            continue
        for other, dropped in rules.drop:
            if within(path, dropped):
                yield key, text, f'"{other}" is dropped before; leave one of them out'
        for other, source, target in rules.rename:
            if within(path, source):
                new = ".".join((text.partition(".")[0], *target))
                yield key, text, f'"{other}" is renamed before; write "{new}"'


def _types(rules: Rules) -> Iterator[Fault]:
    for at, (text, path, _) in enumerate(rules.type):
        for other, typed, _ in rules.type[:at]:
            if overlap(path, typed):
                yield "type", text, f'overlaps with "{other}", which has a type too; leave one of them out'
    for key, constants in (("set", rules.set), ("default", rules.default)):
        for text, path, value in constants:
            for _, typed, kind in rules.type:
                if path == typed and CONVERTERS[kind](value) is ABSENT:
                    yield key, text, f"its value cannot be brought to the type {kind}; correct one of them"


def _constants(rules: Rules) -> Iterator[Fault]:
    for at, (text, path, value) in enumerate(rules.default):
        if value in ("", {}, []):
            yield "default", text, "an empty value fills nothing; leave it out"
        for other, made, _ in rules.set:
            if overlap(path, made):
                yield "default", text, f'"{other}" is set, so it always has a value; leave one of them out'
        for other, filled, _ in rules.default[:at]:
            if overlap(path, filled):
                yield "default", text, f'overlaps with "{other}", which has a default too; leave one of them out'


def _lengths(rules: Rules) -> Iterator[Fault]:
    for text, path, _ in rules.max_length:
        for _, typed, kind in rules.type:
            if path == typed and kind != "text":
                yield "max_length", text, f"cuts text, and this is brought to the type {kind}; leave one of them out"
        for _, hashed in rules.hash:
            if path == hashed:
                yield "max_length", text, "this is hashed, and every hash has 64 characters; leave max_length out"


def _hashes(rules: Rules) -> Iterator[Fault]:
    """A text, a number, a bool or a list can be hashed; an object cannot."""
    entries = [(text, path) for text, _, path in rules.rename]
    entries += [(text, path) for text, path, _ in (*rules.set, *rules.type, *rules.default, *rules.max_length)]
    entries += [*rules.hash, *rules.only]
    for text, path in rules.hash:
        for other, inside in entries:
            if within(inside, path) and inside != path:
                yield "hash", text, f'an object, since "{other}" is inside it; hash what is inside by its own path'
        for other, made, value in (*rules.set, *rules.default):
            if made == path and isinstance(value, dict):
                yield "hash", text, f'"{other}" is given an object; hash what is inside by its own path'
