"""Batches of like items: of calls that differ only in their id and time, and in the user where that is asked for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from router.plugin import Event, Item
from router.testing.batching import batches
from router.testing.checking.check import DoesNotApply
from router.testing.checking.event_variants import id_of_later, later, of_user

if TYPE_CHECKING:
    from router.testing.checking.subject import Subject

__all__ = ["OF_OTHERS", "OF_SOME_AGAIN", "like_items", "place_in"]

OF_OTHERS: Sequence[str | None] = (None, "u-2077", "u-2078")
"""Three items as a batch has them: each of another user. None is the user of the samples."""
OF_SOME_AGAIN: Sequence[str | None] = (None, "u-2077", None)
"""Three of which two have nothing but their id and time to tell them apart."""
_IDS = tuple(id_of_later(seconds).encode() for seconds in range(3))
"""Their message ids."""


def like_items(subject: Subject, users: Sequence[str | None]) -> Iterator[tuple[str, list[Item]]]:
    """A batch for each kind that requests carry several items of, as far as a call makes such items.

    Raises:
        DoesNotApply: there is none.
    """
    kinds = subject.destination.kinds
    wanted = {kind for kind in subject.samples if kinds[kind].max_items > 1}
    if not wanted:
        raise DoesNotApply("each of its requests carries one item")
    found = set[str]()
    for event in subject.single_events():
        for kind, items in _by_kind(subject, event, users).items():
            batch = next(batches(items, kinds))
            if kind in wanted - found and len(batch) > 1:
                found.add(kind)
                yield kind, batch
    if not found:
        raise DoesNotApply("no call that is made again makes another item for the same batch")


def _by_kind(subject: Subject, event: Event, users: Sequence[str | None]) -> dict[str, list[Item]]:
    """The first item of each kind that each of these calls makes, no two of them alike."""
    events = {f"call {at}": later(event if user is None else of_user(user, event), at) for at, user in enumerate(users)}
    found: dict[str, list[Item]] = {}
    for made in (made for made in subject.mapped(events) if made.hook == event.type):
        firsts = {item.kind: item for item in reversed(made.items)}
        for kind, item in firsts.items():
            if item not in found.setdefault(kind, []):
                found[kind].append(item)
    return found


def place_in(items: Sequence[Item], at: int, result: bytes, sent: bytes) -> int | None:
    """Which of like items a result is of: the one whose message id it has, else the one that was sent at its place. None where no
    message id is sent.

    Args:
        at: the place of the result.
        sent: the body of the request.
    """
    ids = [next((id for id in _IDS if id in item.json), None) for item in items]
    named = [number for number, id in enumerate(ids) if id is not None and id in result]
    if len(named) == 1:
        return named[0]
    places = [sent.find(id) for id in ids if id is not None]
    if len(places) < len(items) or -1 in places:
        return None
    return places.index(sorted(places)[at])
