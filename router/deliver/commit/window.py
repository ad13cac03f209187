"""How far a destination has read in the log, and what it has read and not settled."""

from __future__ import annotations

from collections.abc import Sequence

from router.deliver.lanes.delivery import Delivery
from router.store import CursorRow, LogRow
from router.store.outcome_blocks import pack_ahead, pack_all_but


class Window:
    """From the cursor to the position that was read last."""

    def __init__(self, cursor: CursorRow) -> None:
        self.start = cursor.start  #: events at or below it were accepted before this destination began
        self.read_pos = cursor.pos  #: how far the log was read
        self.read_at = 0  #: when the event that was read last had been accepted (ms)
        self.settled_before = cursor.ahead  #: positions above the cursor that an earlier worker has settled or parked
        #: by position, ascending: read from the log, neither settled nor parked
        self.unsettled: dict[int, Delivery] = {}
        self.unsettled_bytes = 0
        #: of the destination's events: those of other shards are settled here once they were passed over
        self.share = cursor.share

    def read(self, delivery: Delivery) -> None:
        """An event was read from the log."""
        self.unsettled[delivery.pos] = delivery
        self.unsettled_bytes += len(delivery.log_event.body)

    def read_all(self, deliveries: Sequence[Delivery]) -> None:
        """The same of many, at least one."""
        unsettled = self.unsettled
        for delivery in deliveries:
            unsettled[delivery.pos] = delivery
        self.unsettled_bytes += sum([len(delivery.body) for delivery in deliveries])
        last = deliveries[-1].log_event
        self.read_pos, self.read_at = last.pos, last.received_at

    def pass_over(self, last: LogRow) -> None:
        """Up to this one nothing is to be settled here but what was read: the rest is of other shards."""
        self.read_pos, self.read_at = last.pos, last.received_at

    def leave(self, pos: int) -> None:
        """It is settled or parked now."""
        delivery = self.unsettled.pop(pos, None)
        if delivery is not None:
            self.unsettled_bytes -= len(delivery.log_event.body)

    @property
    def pos(self) -> int:
        """The cursor: every event at or below it is settled or has a row."""
        first = next(iter(self.unsettled), None)
        return self.read_pos if first is None else first - 1

    @property
    def ahead(self) -> int:
        """How many positions above the cursor are settled or have a row."""
        return self.read_pos - self.pos - len(self.unsettled)

    def settled_above(self, pos: int) -> bytes:
        """The positions above this one that are settled or have a row, packed. `pos`: every one at or below it is."""
        if self.settled_before:
            self.settled_before = {one for one in self.settled_before if one > self.read_pos}
        if self.settled_before:
            read = frozenset(range(pos + 1, self.read_pos + 1)).difference(self.unsettled)
            return pack_ahead(pos, read | self.settled_before)
        return pack_all_but(pos, self.read_pos, self.unsettled)
