"""What one request carries: items of one kind, of different users."""

from __future__ import annotations

from collections import deque
from typing import Protocol

import msgspec

from router.deliver.lanes.delivery import Delivery
from router.plugin import Batch, Item
from router.tracing import Span
from router.vocabulary import Line


class BatchPart(msgspec.Struct):
    """What one event has in a request."""

    delivery: Delivery
    items: list[Item]


class Flight(msgspec.Struct):
    """What a call of `deliver` knows of its request, also after its end: it must not keep the events in memory."""

    sent: int = 0  #: bytes of bodies that are on their way
    is_over: bool = False


class Cancellable(Protocol):
    """What ends a request on its way."""

    def cancel(self) -> object: ...


class RequestBatch(msgspec.Struct, eq=False):
    """One request's worth: parts of different users, one kind."""

    kind: str
    line: Line
    parts: list[BatchPart]
    began: float = 0.0  #: when it was started (s, on the monotonic clock)
    flight: Flight = msgspec.field(default_factory=Flight)
    exchange: Cancellable | None = None  #: what ends it, while it is on its way
    span: Span | None = None  #: where it is traced

    @property
    def items(self) -> list[Item]:
        """All items, in order."""
        if len(self.parts) == 1:
            return self.parts[0].items
        return [item for part in self.parts for item in part.items]

    def fresh_items(self) -> list[Item]:
        """Copies for a plugin: what it does to them, or to the list, changes nothing."""
        return Item._copies(self.items)


def json_bytes(items: list[Item]) -> int:
    """Bytes of JSON of what an event has to send."""
    return len(items[0].json) if len(items) == 1 else sum([len(item.json) for item in items])


def fill(batch: RequestBatch, lines: list[deque[Delivery]], room_items: int, limits: Batch) -> None:
    """Take events out of these lines, the first one first, as many as there is room for and at least one."""
    packed, room_bytes = 0, limits.max_bytes
    for line in lines:
        while line:
            delivery = line[0]
            if delivery.max_batch is not None:
                if packed >= delivery.max_batch:
                    return
                room_items = min(room_items, delivery.max_batch - packed)
            items, size = delivery.items or [], delivery.weight[1]
            n = len(items)
            if n != 1:
                items, size = _first_run(items, batch.kind, room_items, limits)
                n = len(items)
            if packed and size > room_bytes:
                return
            line.popleft()
            batch.parts.append(BatchPart(delivery, items))
            packed += n
            room_items -= n
            room_bytes -= size
            if room_items <= 0:
                return


def _first_run(items: list[Item], kind: str, room: int, limits: Batch) -> tuple[list[Item], int]:
    """The leading items of one kind, as many as a batch takes (at least one), and their bytes."""
    run: list[Item] = []
    size = 0
    for item in items:
        if item.kind != kind or len(run) >= max(1, room):
            break
        if run and size + len(item.json) > limits.max_bytes:
            break
        run.append(item)
        size += len(item.json)
    return run, size
