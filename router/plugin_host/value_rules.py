"""The entries of a mapping table that change values: `type`, `default`, `max_length` and `hash`, in this order. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import msgspec

from router.config.mapping_paths import ABSENT, KeyPath, Rules, find
from router.config.value_types import CONVERTERS
from router.plugin import JSON
from router.plugin_host.json_tree import change, put
from router.privacy import Hasher
from router.traits import is_known


class ValueRules(msgspec.Struct, frozen=True):
    """What becomes of the values of one object."""

    changes: tuple[tuple[KeyPath, Callable[[JSON], JSON]], ...]  #: types
    defaults: tuple[tuple[KeyPath, Callable[[], JSON]], ...]
    last: tuple[tuple[KeyPath, Callable[[JSON], JSON]], ...]  #: lengths and hashes

    def apply(self, made: dict[str, JSON], *, with_defaults: bool) -> None:
        """Change an object that is the caller's own."""
        for path, convert in self.changes:
            change(made, path, convert)
        for path, constant in self.defaults if with_defaults else ():
            if not is_known(found := find(made, path)) or found is ABSENT:
                put(made, path, constant())
        for path, convert in self.last:
            change(made, path, convert)


def compile_values(
    rules: Rules, hasher: Hasher | None, constant: Callable[[JSON], Callable[[], JSON]]
) -> ValueRules | None:
    """The rules as functions; None where there are none. `constant` makes what gives a constant."""
    types = {path: CONVERTERS[kind] for _, path, kind in rules.type}
    defaults = [(path, constant(_typed(value, path, types))) for _, path, value in rules.default]
    last = [*_lengths(rules), *_hashes(rules, hasher)]
    if not (types or defaults or last):
        return None
    return ValueRules(tuple(types.items()), tuple(defaults), tuple(last))


def _typed(value: JSON, path: KeyPath, types: dict[KeyPath, Callable[[JSON], JSON]]) -> JSON:
    """A default in the type that its path has."""
    return types[path](value) if path in types else value


def _lengths(rules: Rules) -> Iterator[tuple[KeyPath, Callable[[JSON], JSON]]]:
    for _, path, most in rules.max_length:
        yield path, partial(_cut, most)


def _cut(most: int, value: JSON) -> JSON:
    return value[:most] if isinstance(value, str) and len(value) > most else value


def _hashes(rules: Rules, hasher: Hasher | None) -> Iterator[tuple[KeyPath, Callable[[JSON], JSON]]]:
    for _, path in rules.hash:
        assert hasher is not None, "a table that hashes has a key"
        yield path, hasher
