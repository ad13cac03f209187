"""Values in a JSON object, by path: taken out, put in, changed. Objects on the way to a change are copied, as they may be shared."""

from __future__ import annotations

from collections.abc import Callable

from router.config.mapping_paths import ABSENT, KeyPath, find
from router.plugin import JSON


def take(tree: dict[str, JSON], path: KeyPath) -> JSON:
    """Take a value out of an object; ABSENT where there is none."""
    found = find(tree, path)
    if found is not ABSENT:
        del _own(tree, path)[path[-1]]
    return found


def put(tree: dict[str, JSON], path: KeyPath, value: JSON) -> bool:
    """Put a value into an object, making the objects that lead there. False: something else stands in the way."""
    inside: JSON = tree
    for key in path[:-1]:
        inside = inside.get(key, {})
        if not isinstance(inside, dict):
            return False
    _own(tree, path)[path[-1]] = value
    return True


def change(tree: dict[str, JSON], path: KeyPath, changed: Callable[[JSON], JSON]) -> None:
    """Put what is made of a value into its place; ABSENT takes it out. Nothing happens where there is none, or null."""
    found = find(tree, path)
    if found is ABSENT or found is None:
        return
    made = changed(found)
    if made is ABSENT:
        take(tree, path)
    elif made is not found:
        _own(tree, path)[path[-1]] = made


def _own(tree: dict[str, JSON], path: KeyPath) -> dict[str, JSON]:
    """The object that holds the last key of a path: a copy in place of what may be shared."""
    for key in path[:-1]:
        inside = dict(tree.get(key, ()))
        tree[key] = inside
        tree = inside
    return tree
