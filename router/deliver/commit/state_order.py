"""Keeps what events did to one key of keyed state in the order in which they were mapped."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import Any, Protocol

import msgspec

from router.deliver.lanes.delivery import Delivery


class StateChanges(msgspec.Struct, frozen=True):
    """What a hook did to its keyed state."""

    key: str
    values: Mapping[str, bytes | None] = {}  #: JSON by state key; None removes it
    timers: Mapping[str, tuple[int, str] | None] = {}  #: (due in ms, user key) by state key; None clears it


class Apply(Protocol):
    """Writes the state changes of an event, if it is its first time, and its records."""

    def __call__(
        self, delivery: Delivery, changes: StateChanges | None, records: list[Any], *, was_waiting: bool
    ) -> None: ...


class _Link:
    """An event in the chain of its state key."""

    __slots__ = ("changes", "delivery", "records")

    def __init__(self, delivery: Delivery, changes: StateChanges) -> None:
        self.delivery = delivery
        self.changes = changes
        self.records: list[Any] = []


class StateOrder:
    """Events that were mapped with a state key write their first record in the order of mapping."""

    def __init__(self, apply: Apply) -> None:
        self._apply = apply
        self._chains: dict[str, deque[_Link]] = {}
        self._links: dict[int, _Link] = {}  #: by id of the delivery

    def begin(self, delivery: Delivery, changes: StateChanges) -> None:
        """The event was mapped."""
        link = _Link(delivery, changes)
        self._links[id(delivery)] = link
        self._chains.setdefault(changes.key, deque()).append(link)

    def is_open(self, state_key: str) -> bool:
        """Whether an event of this key has still to write its first record."""
        return state_key in self._chains

    def is_waiting(self, delivery: Delivery) -> bool:
        """Whether a record of this event waits for an earlier event."""
        link = self._links.get(id(delivery))
        return link is not None and bool(link.records)

    def record(self, delivery: Delivery, record: Any) -> None:
        """Write a record now, or behind those of the events before it."""
        link = self._links.get(id(delivery))
        if link is None:
            self._apply(delivery, None, [record], was_waiting=False)
            return
        link.records.append(record)
        chain = self._chains[link.changes.key]
        while chain and chain[0].records:
            self._write(chain.popleft(), by=delivery)
        if link.records and delivery.lane is not None:  # its lane stays in memory, and sends nothing that is parked
            delivery.lane.defer(delivery.pos)
        if not chain:
            del self._chains[link.changes.key]

    def _write(self, link: _Link, *, by: Delivery) -> None:
        first = link.delivery
        del self._links[id(first)]
        records, link.records = link.records, []
        if first.lane is not None:
            first.lane.undefer(first.pos)
        self._apply(first, link.changes, records, was_waiting=first is not by)
