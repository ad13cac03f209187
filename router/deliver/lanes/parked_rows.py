"""Parked rows of lanes, read as they are now: the store's snapshot with what is not stored yet laid over it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import msgspec

from router.deliver.commit.pending_view import PendingView
from router.deliver.context import DeliveryContext, DeliveryState
from router.deliver.lanes.delivery import Delivery
from router.deliver.lanes.lane import Lane
from router.deliver.process.mapper import NO_EVENT, mapped_by
from router.deliver.settle.releases import Releases
from router.event import Call
from router.plugin import Item
from router.store import EVERY, ORDER_KEY_STEP, LaneRow, LogRow, ParkedRow, Slice
from router.vocabulary import Queue

ROWS_PER_LANE, BYTES_PER_LANE = 10, 16_000
"""Read ahead of a queue: as many lanes' rows are read one after the other, and live events wait for that. As many as 400 lanes of a
destination have rows in memory at the same time."""
BYTES_PER_ROUND = 1_000_000
"""Read ahead of all queues in one round, and one row. The lanes that are left out have their turn in the next round."""


class _Stored(msgspec.Struct):
    """An item as it is stored."""

    body: msgspec.Raw
    kind: str = ""


_items = msgspec.json.Decoder(list[_Stored])


class ParkedRows:
    """Reads lanes and parked rows of one destination."""

    def __init__(self, context: DeliveryContext, state: DeliveryState, releases: Releases) -> None:
        self._context, self._stored_lanes, self._releases = context, context.claim.lanes, releases
        self._work, self._lanes = state.work, state.lanes
        self._mapped_by, self._plans = mapped_by(context.destination), context.plans
        self.repaired = 0  #: lanes that were found waiting for nothing, and made due

    @asynccontextmanager
    async def lane(self, key: str) -> AsyncIterator[Lane]:
        """The lane of a user, read from its row if need be, to work with over an await."""
        lane = self._lanes.take(key)
        with self._lanes.pinned([lane]):
            await self.load_lanes([lane])
            yield lane

    async def load_lanes(self, lanes: Sequence[Lane]) -> None:
        """Read the rows of those lanes whose row was not read yet."""
        unread = [lane for lane in lanes if not lane.is_loaded]
        if not unread:
            return
        met_meanwhile, is_due = self._releases.watch(), self._work.makes_retries_due
        loaded = await self._stored_lanes.load([lane.key for lane in unread])
        met, is_due = met_meanwhile(), is_due or self._work.makes_retries_due
        for lane in unread:
            if not lane.is_loaded:
                self._restore(lane, loaded.get(lane.key), met)
                if is_due:
                    self._releases.try_now(lane)

    def _restore(self, lane: Lane, row: LaneRow | None, met: set[str]) -> None:
        if not lane.restore(row):
            self.repaired += 1
            self._work.mark_dirty(lane)
        self._lanes.index(lane)
        if lane.wait.keys and not met.isdisjoint((*lane.wait.keys, EVERY)):
            self._releases.ask_again(lane)

    async def read_ahead(self, lanes: Sequence[Lane]) -> list[Lane]:
        """Read on in the queues that draining lanes take their next event from. Returns lanes whose rows cannot be read
        before the next commit."""
        wants: list[tuple[Lane, Queue]] = []
        later: list[Lane] = []
        for lane in lanes:
            if lane.blocked_until_commit is None and not lane.deferred:
                wants += [(lane, queue) for queue in lane.open_queues() if not lane.queue(queue).buffer]
            else:
                later.append(lane)
        if not wants:
            return later
        asked = [(lane.key, str(queue), lane.queue(queue).read_upto) for lane, queue in wants]
        found = await self.rows(asked, Slice(ROWS_PER_LANE, BYTES_PER_LANE, BYTES_PER_ROUND))
        for (lane, queue), rows in zip(wants, found, strict=False):
            lane.queue(queue).buffer.extend(self.delivery(row, lane) for row in rows)
            if not rows:
                self._work.read_after_commit(lane)  # cannot be: its rows are counted; look again when all is stored
                later.append(lane)
        return later

    async def rows(self, asked: list[tuple[str, str, int]], most: Slice) -> list[list[ParkedRow]]:
        """For each (user key, queue, order key): parked rows behind that place as they are now, in order. At least for the first one;
        where their rows take all the bytes, not for the last ones."""
        before = self._work.unstored()
        found = await self._stored_lanes.parked(asked, most)
        pending = PendingView([*before, *self._work.unstored()])
        return [pending.over(ask, rows, more) for ask, (rows, more) in zip(asked, found, strict=False)]

    def delivery(self, row: ParkedRow, lane: Lane, *, is_parked: bool = True) -> Delivery:
        """A parked row as an event of its lane. `is_parked` False: its row is still to be written."""
        delivery = Delivery.of_row(row, lane, is_parked=is_parked)
        fields = delivery.fields
        if row.items is not None:
            if row.made_by == self._mapped_by or row.type in NO_EVENT:
                delivery.items = [Item.of_json(bytes(item.body), item.kind) for item in _items.decode(row.items)]
                delivery.log_event = msgspec.structs.replace(row, items=None)  # a copy: a commit may hold the row
                delivery.max_batch = 1 if row.attempts else None
            else:
                fields.was_mapped = True  # another plugin version made the items: map it again, its state stands
        elif row.made_by:
            fields.was_mapped = True  # a second sending of what was mapped before: the same
        if row.type not in NO_EVENT and row.place % ORDER_KEY_STEP:
            delivery.body = self._plans.judged_again(call_of(row))  # only a replay feeds what stands between two events
        return delivery


def call_of(row: ParkedRow | LogRow) -> Call:
    """A stored event as the call that was accepted."""
    return Call(row.source, row.type, row.message_id, row.user_key, row.received_at, row.body)
