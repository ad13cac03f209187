"""Which events of the log are those of a shard. A destination that is not split has all of them, and asks nothing of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from router.store import CursorRow, LogRow, slot_of_event


class Read(NamedTuple):
    """A part of what was read of the log."""

    rows: list[LogRow]  #: the shard's own, which no shard before it has settled
    last: LogRow  #: how far that is


class OwnEvents:
    """Of one shard. `floors` are what shards that were there before had settled beyond its cursor."""

    def __init__(self, cursor: CursorRow) -> None:
        self._slots, self._floors = cursor.share.slots, cursor.floors

    def of(self, rows: Sequence[LogRow], most: int) -> Read:
        """The first of them, at most so many, of rows that follow each other in the log: at least one."""
        own: list[LogRow] = []
        for row in rows:
            if self._is_own(row):
                own.append(row)
                if len(own) == most:
                    return Read(own, row)
        return Read(own, rows[-1])

    def _is_own(self, row: LogRow) -> bool:
        slot = slot_of_event(row)
        return slot in self._slots and not any(
            floor.first <= slot < floor.end and floor.has(row.pos) for floor in self._floors
        )


def own_events(cursor: CursorRow) -> OwnEvents | None:
    """None: every event is its own."""
    return OwnEvents(cursor) if cursor.share.shards > 1 or cursor.floors else None
