"""The paths of `[destination.mapping]`, and the entries of a table sorted by the JSON object that they change. Pure.

A path is a root and the keys that lead to a value, with dots between: `properties.area`, `traits.address.city`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

KeyPath = tuple[str, ...]
"""The keys of a path, without its root."""

ROOTS: Mapping[str, tuple[str, ...]] = {
    "properties": ("properties",),
    "traits": ("user", "group"),
    "user": ("user",),
    "group": ("group",),
}
"""What a path may begin with, and the objects in which it is looked up."""

OBJECTS = ("properties", "user", "group")
"""The JSON objects that a table can change; each is mapped by itself."""

ABSENT = object()
"""In place of a value: there is none."""

Fault = tuple[str, str, str]
"""Key of the table, the path's text, and reason with remedy."""


@dataclass
class Rules:
    """The entries of a mapping table for one JSON object. Each path comes with its text in config.toml."""

    rename: list[tuple[str, KeyPath, KeyPath]] = field(default_factory=list)
    drop: list[tuple[str, KeyPath]] = field(default_factory=list)
    set: list[tuple[str, KeyPath, Any]] = field(default_factory=list)
    type: list[tuple[str, KeyPath, str]] = field(default_factory=list)
    default: list[tuple[str, KeyPath, Any]] = field(default_factory=list)
    max_length: list[tuple[str, KeyPath, int]] = field(default_factory=list)
    hash: list[tuple[str, KeyPath]] = field(default_factory=list)
    only: list[tuple[str, KeyPath]] = field(default_factory=list)


def read_path(text: str) -> tuple[str, KeyPath]:
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


def find(tree: Any, path: KeyPath) -> Any:
    """The value at a path of one key or more; ABSENT where there is none."""
    for key in path:
        if not isinstance(tree, dict) or key not in tree:
            return ABSENT
        tree = tree[key]
    return tree


def within(path: KeyPath, other: KeyPath) -> bool:
    """Whether `path` is `other`, or inside it."""
    return path[: len(other)] == other


def overlap(one: KeyPath, other: KeyPath) -> bool:
    return within(one, other) or within(other, one)
