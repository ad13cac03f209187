"""Positions in the log by a key, in little memory: nearly every key has one."""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)


class PositionIndex(Generic[K]):
    """The positions that stand under each key. A key without any is gone."""

    def __init__(self) -> None:
        self._positions: dict[K, int | set[int]] = {}  #: a set of one takes 216 bytes, so one is kept as it is

    def __contains__(self, key: K) -> bool:
        return key in self._positions

    def __len__(self) -> int:
        return len(self._positions)

    def __iter__(self) -> Iterator[K]:
        return iter(self._positions)

    def of(self, key: K) -> list[int]:
        """Ascending."""
        found = self._positions.get(key)
        if found is None:
            return []
        return [found] if isinstance(found, int) else sorted(found)

    def add(self, key: K, pos: int) -> None:
        """Put a position under a key."""
        found = self._positions.setdefault(key, pos)
        if isinstance(found, set):
            found.add(pos)
        elif found != pos:
            self._positions[key] = {found, pos}

    def discard(self, key: K, pos: int) -> None:
        """Take a position from under a key, if it stands there."""
        found = self._positions.get(key)
        if isinstance(found, set):
            found.discard(pos)
            if len(found) == 1:
                self._positions[key] = found.pop()
        elif found == pos:
            del self._positions[key]
