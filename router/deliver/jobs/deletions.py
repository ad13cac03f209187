"""Asks the vendor to delete people or groups: a hook of the plugin makes items, which go out in the lane of the person or group like those
of a timer, with retries, batches and the rate of the destination."""

from __future__ import annotations

from collections.abc import Sequence

from router.deliver.process.mapper import FORGET, FORGET_GROUP, Mapped, mapped_by
from router.deliver.worker import Worker
from router.plugin import Person
from router.store import ParkedRow, Regulation, Tool, deletions_of
from router.vocabulary import Line, Queue

BY_HAND = "its plugin cannot ask for that deletion: delete there by hand"


def subjects_of(regulation: Regulation) -> list[tuple[str, Person | str]]:
    """(user key, what a plugin is told) of whom the vendor is to delete: a person, or the id of a group."""
    return [(keys[0], keys[0][2:] if keys[0].startswith("g:") else _person_of(keys)) for keys in regulation.people]


def _person_of(keys: Sequence[str]) -> Person:
    users = [key[2:] for key in keys if key.startswith("u:")]
    return Person(users[0] if users else None, tuple(key[2:] for key in keys if key.startswith("a:")))


def unsupported(worker: Worker, regulation: Regulation) -> Tool | None:
    """Why this destination is not asked; None where it is."""
    destination = worker.context.destination
    hook = FORGET_GROUP if regulation.groups else FORGET
    if hook not in destination.hooks:
        return Tool("NOT_SUPPORTED", getattr(destination.instance, f"{hook}_by_hand", "") or BY_HAND)
    if not destination.config.enabled:
        return Tool("NOT_SUPPORTED", "it is disabled: enable it and ask again, or delete there by hand")
    return None


async def ask(
    worker: Worker, regulation_id: str, subjects: Sequence[tuple[str, Person | str]]
) -> tuple[list[int], str, int]:
    """Park a deletion for each of these (`subjects_of`), as many as one commit takes. Returns where they stand, why one could not be made, if
    so, and how many were asked for."""
    positions: list[int] = []
    fault = ""
    for n, (key, subject) in enumerate(subjects):
        if n and worker.state.work.is_full:
            return positions, fault, n
        mapping = worker.core.mapper.forget(subject)
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
    return positions, fault, len(subjects)


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
        message_id=f"{deletions_of(regulation_id)}{order_key}",
        linked="",
        given="",
        body=b"",
        items=None,
        made_by=mapped_by(worker.context.destination),
        attempts=0,
        first_at=0,
    )
