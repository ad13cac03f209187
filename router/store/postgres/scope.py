"""Whose rows are meant: those of a destination, or of one of its shards."""

from __future__ import annotations

from typing import NamedTuple

from router.store.shards import WHOLE, Share


class Scope(NamedTuple):
    """In a statement `$1` is the destination. The slots stand in its text, since there are few different ones."""

    destination: str
    share: Share = WHOLE

    @property
    def here(self) -> str:
        """The condition for rows with a slot."""
        return f"part = 0 AND destination = $1{self.of_slots()}"

    def of_slots(self, table: str = "") -> str:
        """What is to be added to the condition of a destination. `table`: its name with a dot, where there are several."""
        slots = self.share.slots
        if self.share.shards == 1:
            return ""
        return f" AND {table}slot BETWEEN {slots.start} AND {slots.stop - 1}"
