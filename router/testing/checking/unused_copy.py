"""A class as it is when it has just been imported: nothing is kept at it or in its modules."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

from router.testing.checking.check import DoesNotApply
from router.testing.checking.loading import place_of_class

__all__ = ["unused_copy"]


@contextmanager
def unused_copy(plugin: type[Any], package: str) -> Iterator[type[Any]]:
    """The same class of modules that are imported anew, and that stand in `sys.modules` until the end of the context: imports in hooks get
    them. The class itself where it was made in a function or in a script.

    Args:
        package: the modules that are imported anew. All others stay as they are.

    Raises:
        DoesNotApply: they cannot be imported anew.
    """
    place = place_of_class(plugin)
    if place is None or place.module == "__main__":
        yield plugin
        return
    kept = dict(_modules_of(package))
    for name in kept:
        del sys.modules[name]
    try:
        try:
            copy = place.load()
        except Exception as error:  # whatever a module raises that is imported a second time
            raise DoesNotApply("its package cannot be imported a second time") from error
        yield copy
    finally:
        _put_back(package, kept)


def _put_back(package: str, kept: dict[str, ModuleType]) -> None:
    for name in dict(_modules_of(package)):
        del sys.modules[name]
    sys.modules.update(kept)
    parent, _, child = package.rpartition(".")
    if parent in sys.modules and package in kept:
        setattr(sys.modules[parent], child, kept[package])


def _modules_of(package: str) -> Iterator[tuple[str, ModuleType]]:
    return ((name, module) for name, module in sys.modules.items() if f"{name}.".startswith(f"{package}."))
