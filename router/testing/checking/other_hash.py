"""A plugin whose `hash()` gives other numbers, as it does after a restart."""

from __future__ import annotations

import builtins
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from router.testing.checking.frames import is_of

__all__ = ["OTHER_HASHES", "other_hash"]

_NOT_THERE = object()


def _next(value: object) -> int:
    return builtins.hash(value) + 1  # another one of any modulus


def _reversed(value: object) -> int:
    return ~builtins.hash(value)  # in the opposite order


OTHER_HASHES: tuple[Callable[[object], int], ...] = (_next, _reversed)


@contextmanager
def other_hash(package: str, function: Callable[[object], int]) -> Iterator[None]:
    """The modules of this package have the function for `hash`."""
    places: list[dict[str, Any]] = [vars(module) for name, module in list(sys.modules.items()) if is_of(name, package)]
    before = [place.get("hash", _NOT_THERE) for place in places]
    for place in places:
        place["hash"] = function
    try:
        yield
    finally:
        for place, value in zip(places, before, strict=True):
            place["hash"] = value
            if value is _NOT_THERE:
                del place["hash"]
