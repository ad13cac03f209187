"""Batches of like items: of calls that differ only in their id and time, and in the user where that is asked for. And mixed ones: of
different calls in turn, each of another user."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from router.plugin import Event, Item
from router.testing.batching import batches
from router.testing.checking.check import DoesNotApply
from router.testing.checking.event_variants import id_of_later, later, of_user, with_other_surroundings

if TYPE_CHECKING:
    from router.testing.checking.subject import Subject

__all__ = ["IDS_OF_LIKE", "OF_OTHERS", "OF_SOME_AGAIN", "Ids", "like_items", "mixed_items", "place_in", "unlike_items"]

OF_OTHERS: Sequence[str | None] = (None, "u-2077", "u-2078")
"""Three items as a batch has them: each of another user. None is the user of the samples."""
OF_SOME_AGAIN: Sequence[str | None] = (None, "u-2077", None)
"""Three of which two have nothing but their id and time to tell them apart."""
_ROUNDS = 2
"""How often each call comes in a mixed batch."""
IDS_OF_LIKE = tuple((id_of_later(seconds).encode(),) for seconds in range(3))
"""Their message ids."""
_USER, _LATER_S = "u-3{:03}", 100
"""Of mixed batches. None of their ids is the beginning of another one."""
Ids = Sequence[Sequence[bytes]]
"""For each call of a batch, the ids that no other one has."""


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


def unlike_items(subject: Subject) -> Iterator[tuple[str, str, Item, Item, Item]]:
    """Two items that one request may carry, and another one for the second, which differs from it only in the group, the source or
    the options of its call: the kind, in what it differs, and the three items."""
    kinds = subject.destination.kinds
    seen = set[tuple[str, str]]()
    for event in subject.single_events():
        if event.type not in subject.destination.hooks:
            continue
        for words, changed in with_other_surroundings(later(event, 1)):
            events = {"first": later(event, 0), "one": later(event, 1), "other": changed}
            firsts = [made.items[0] for made in subject.mapped(events) if made.hook == event.type and made.items]
            if len(firsts) < len(events) or len({item.kind for item in firsts}) > 1 or firsts[1] == firsts[2]:
                continue
            first, one, other = firsts
            if (one.kind, words) not in seen and len(next(batches([first, other], kinds))) > 1:
                seen.add((one.kind, words))
                yield one.kind, words, first, one, other


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


def mixed_items(subject: Subject) -> Iterator[tuple[str, list[Item], Ids]]:
    """A batch for each kind that several types of calls make items of: one of each type, and then again. With the ids of each call."""
    kinds = subject.destination.kinds
    types = list(subject.sample_events().values())
    calls = {at: later(of_user(_USER.format(at), event), _LATER_S + at) for at, event in enumerate(types * _ROUNDS)}
    ids = [(event.message_id.encode(), _USER.format(at).encode()) for at, event in calls.items()]
    made_by: dict[str, set[str]] = {}
    found: dict[str, list[Item]] = {}
    mapped = subject.mapped({f"call {at}": event for at, event in calls.items()})
    for made in (made for made in mapped if made.hook in {event.type for event in types}):
        for kind, item in {item.kind: item for item in reversed(made.items)}.items():
            made_by.setdefault(kind, set()).add(made.hook)
            found.setdefault(kind, []).append(item)
    for kind, items in found.items():
        if kind in kinds and len(made_by[kind]) > 1 and len(batch := next(batches(items, kinds))) > 1:
            yield kind, batch, ids


def place_in(items: Sequence[Item], at: int, result: bytes, sent: bytes, ids: Ids = IDS_OF_LIKE) -> int | None:
    """Which of the items a result is of: the one whose id it has, else the one that was sent at its place. None where no id of an item
    is sent.

    Args:
        at: the place of the result.
        sent: the body of the request.
        ids: of the calls that made the items.
    """
    own = [
        next(([id for id in of_call if id in item.json] for of_call in ids if _has(item, of_call)), [])
        for item in items
    ]
    named = [number for number, of_item in enumerate(own) if any(id in result for id in of_item)]
    if len(named) == 1:
        return named[0]
    places = [min((place for id in of_item if (place := sent.find(id)) >= 0), default=-1) for of_item in own]
    if -1 in places:
        return None
    return places.index(sorted(places)[at])


def _has(item: Item, ids: Sequence[bytes]) -> bool:
    return any(id in item.json for id in ids)
