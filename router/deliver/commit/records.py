"""What became of an event, as a record that may wait for others of its state key, and the rows that are made of it."""

from __future__ import annotations

import msgspec

from router.deliver.lanes.delivery import Delivery
from router.plugin import Item
from router.store import DeadRow, ParkedRow, Tried
from router.vocabulary import EventState, Queue

MAX_DETAIL = 4000

Outcome = tuple[str, str]
"""(state, reason)"""


class Settle(msgspec.Struct, frozen=True):
    """Record: the event is delivered, skipped or filtered."""

    state: str
    reason: str
    tried: Tried | None = None


class Bury(msgspec.Struct, frozen=True):
    """Record: the event is a dead letter."""

    reason: str
    detail: str


class Park(msgspec.Struct, frozen=True):
    """Record: the event has a row, or its row changes."""

    state: EventState
    reason: str
    queue: Queue


Record = Settle | Bury | Park


def letter_of(delivery: Delivery, reason: str, detail: str, at_ms: int, mapped_by: str) -> DeadRow:
    """The dead letter of an event. `mapped_by`: what makes items now."""
    event, fields = delivery.log_event, delivery.fields
    return DeadRow(
        pos=delivery.origin or delivery.pos,
        at=at_ms,
        user_key=delivery.user_key,
        reason=reason,
        detail=detail[:MAX_DETAIL],
        received_at=event.received_at,
        source=event.source,
        type=event.type,
        message_id=event.message_id,
        linked=fields.linked,
        body=event.body,
        items=encode_items(delivery.items) if delivery.items else None,
        made_by=_maker(delivery, mapped_by),
        attempts=fields.attempts,
        again=delivery.origin != 0,
    )


def parked_row_of(delivery: Delivery, reason: str, at_ms: int, mapped_by: str) -> ParkedRow:
    """The row of an event that is parked, as its fields say. `mapped_by`: what makes items now."""
    event, fields, state = delivery.log_event, delivery.fields, delivery.fields.state
    assert state is not None
    return ParkedRow(
        pos=delivery.pos,
        user_key=delivery.user_key,
        queue=fields.queue,
        place=fields.order_key,
        state=state,
        reason=reason,
        parked_at=at_ms,
        received_at=event.received_at,
        source=event.source,
        type=event.type,
        message_id=event.message_id,
        linked=fields.linked,
        given=fields.release_as,
        body=event.body,
        items=encode_items(delivery.items) if delivery.items is not None else None,
        made_by=_maker(delivery, mapped_by),
        attempts=fields.attempts,
        first_at=fields.first_at,
        origin=fields.origin,
    )


def _maker(delivery: Delivery, mapped_by: str) -> str:
    """What made the items of an event; "" where it was not mapped yet."""
    return delivery.fields.mapped_by or (mapped_by if delivery.items is not None else "")


def encode_items(items: list[Item]) -> bytes:
    """Items as they are stored: a JSON list of {"body", "kind"}."""
    return msgspec.json.encode([{"body": msgspec.Raw(item.json), "kind": item.kind} for item in items])
