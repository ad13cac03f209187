"""Asks the vendor to delete people: the plugin's `forget` hook makes items, which go out in the lane of the person like those of a timer,
with retries, batches and the rate of the destination."""

from __future__ import annotations

from collections.abc import Sequence

from router.deliver.process.mapper import FORGET, Mapped, mapped_by
from router.deliver.worker import Worker
from router.plugin import Person
from router.store import ParkedRow, Tool
from router.vocabulary import Line, Queue

BY_HAND = "its plugin cannot ask for a deletion: delete the person there by hand"


def unsupported(worker: Worker) -> Tool | None:
    """Why this destination is not asked; None where it is."""
    destination = worker.context.destination
    if FORGET not in destination.hooks:
        return Tool("NOT_SUPPORTED", getattr(destination.instance, "forget_by_hand", "") or BY_HAND)
    if not destination.config.enabled:
        return Tool("NOT_SUPPORTED", "it is disabled: enable it and ask again, or delete the person there by hand")
    return None


async def ask(worker: Worker, regulation_id: str, people: Sequence[tuple[str, Person]]) -> tuple[list[int], str]:
    """Park a deletion for each of these (user key, person). Returns where they stand, and why one could not be made, if so."""
    positions: list[int] = []
    fault = ""
    for key, person in people:
        mapping = worker.core.mapper.forget(person)
        if isinstance(mapping, Mapped):
            async with worker.core.rows.lane(key) as lane:
                row = _row(worker, key, regulation_id)
                delivery = worker.core.rows.delivery(row, lane, is_parked=False)
                delivery.items = mapping.items
                worker.core.outcomes.insert(delivery, FORGET, Line.LIVE)
                worker.state.work.read_after_commit(
                    lane
                )  # its outcome is looked up: it must be stored before it is sent
                positions.append(row.pos)
        elif mapping.is_refused:
            fault = mapping.outcome.reason
    return positions, fault


def _row(worker: Worker, key: str, regulation_id: str) -> ParkedRow:
    order_key = worker.state.work.next_order_key()
    return ParkedRow(
        pos=-order_key,
        user_key=key,
        queue=Queue.MAIN,
        place=order_key,
        state="queued",
        reason=FORGET,
        parked_at=0,
        received_at=worker.context.clock.now_ms(),
        source="",
        type=FORGET,
        message_id=f"{FORGET}:{regulation_id}:{order_key}",
        linked="",
        given="",
        body=b"",
        items=None,
        made_by=mapped_by(worker.context.destination),
        attempts=0,
        first_at=0,
    )
