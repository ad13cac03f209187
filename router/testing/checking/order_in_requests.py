"""Items of one user in one request, and in which order the request has them.

Which item a value belongs to is known from what is sent for each item alone. Two items are compared where values of both stand at
the same place of the request: in one list, or in one line of requests.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import chain, islice
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import unquote_plus

import msgspec

from router.plugin import JSON, Item
from router.testing.batching import batches
from router.testing.checking.built_requests import Sent
from router.testing.checking.event_variants import later
from router.testing.checking.mapping_call import short

if TYPE_CHECKING:
    from router.testing.checking.subject import Subject

__all__ = ["UserItem", "fault_of_order", "items_of_one_user"]

MAX_CALLS, MAX_ITEMS = 12, 24
"""Calls that are made twice; items of one request."""
ANY = "*"
ValuePlace = tuple[str | int, ...]
"""Where a value stands: keys of objects, and numbers in lists. The first number is that of the request."""


class UserItem(NamedTuple):
    """An item of a user."""

    item: Item
    made_by: tuple[int, int]
    """Which call made it, and which of its items it is. Items of a call that is made again are alike."""


def items_of_one_user(subject: Subject) -> Iterator[tuple[str, list[UserItem]]]:
    """As many items of one user and one kind as a request carries. Each call is made twice, one after the other."""
    calls = list(islice(subject.single_events(), MAX_CALLS))
    events = {str(at): later(calls[at // 2], at) for at in range(2 * len(calls))}
    found: dict[tuple[str, str | None, str | None], list[UserItem]] = {}
    for made in subject.mapped(events):
        for number, item in enumerate(made.items if made.label in events else ()):
            event = events[made.label]
            user = (event.user_id, None if event.user_id else event.anonymous_id)
            own = found.setdefault((item.kind, *user), [])
            if item not in (other.item for other in own):
                own.append(UserItem(item, (int(made.label) // 2, number)))
    kinds = subject.destination.kinds
    for (kind, *_), own in found.items():
        rest = own if kind in kinds else []
        while len(rest) > 1:
            n = min(len(next(batches([one.item for one in rest], kinds))), MAX_ITEMS)
            if n > 1:
                yield kind, rest[:n]
            rest = rest[n:]


def fault_of_order(own: Sequence[UserItem], send: Callable[[list[list[Item]]], list[Sent]]) -> str:
    """What is sent in another order than given. Empty where nothing is.

    Args:
        own: items of one user.
        send: gives what is sent for each of these batches.
    """
    forward = list(range(len(own)))
    orders = [*([one] for one in forward), forward, forward[::-1], forward[::2] + forward[1::2]]
    sent = send([[own[at].item for at in order] for order in orders])
    read = _Order(own, sent[: len(own)])
    for one, order in zip(sent, orders, strict=True):
        if swapped := read.swapped(one, order):
            first, second = (short(own[at].item.json.decode()) for at in swapped)
            return f"{second} is sent before {first}, which came first in the batch"
    is_same = sent[len(own)] == sent[len(own) + 1]
    return "the same is sent for both orders" if is_same and read.is_hidden(sent[len(own)]) else ""


class _Order:
    """Tells in which order something sent has the items."""

    def __init__(self, items: Sequence[UserItem], alone: Sequence[Sent]) -> None:
        """`alone`: what is sent for each item alone."""
        self._items = items
        values = [{value for _, value in _values(sent)} for sent in alone]
        seen = Counter(chain.from_iterable(values))
        self._item_of = {value: at for at, of_one in enumerate(values) for value in of_one if seen[value] == 1}

    def is_hidden(self, sent: Sent) -> bool:
        """Whether nothing in it tells one item from another, though they are sent differently: it may be encoded."""
        return bool(self._item_of) and not any(value in self._item_of for _, value in _values(sent))

    def swapped(self, sent: Sent, order: Sequence[int]) -> tuple[int, int] | None:
        """The first two items that are not in this order; None where all are.

        Like items have to be in order wherever they stand. Others only where a list of objects has both of them, and then in one of
        the lists that have both: a vendor may take a list for each type of call.
        """
        rows = _rows(sent, self._item_of)
        for number, first in enumerate(order):
            for second in order[number + 1 :]:
                if self._items[first].made_by == self._items[second].made_by:
                    both = _with_both(rows.anywhere, first, second)
                elif both := _with_both(rows.in_objects, first, second):
                    both += _with_both(rows.in_lists, first, second)
                if both and all(row.index(second) < row.index(first) for row in both):
                    return first, second
        return None


class _Rows(NamedTuple):
    """The items whose values stand at one place, in order."""

    anywhere: list[list[int]]  #: whichever list it is in
    in_objects: list[list[int]]  #: in the objects of each list
    in_lists: list[list[int]]  #: in the texts, or in the lists, of each list: they may be the names of columns


def _rows(sent: Sent, item_of: Mapping[JSON, int]) -> _Rows:
    anywhere, in_objects, in_lists = (dict[ValuePlace, list[int]]() for _ in range(3))
    for place, value in _values(sent):
        if (item := item_of.get(value)) is None:
            continue
        anywhere.setdefault(tuple(ANY if isinstance(part, int) else part for part in place), []).append(item)
        lists = [at for at, part in enumerate(place) if at and isinstance(part, int)]
        if lists and lists[-1] < len(place) - 1:
            in_objects.setdefault(place[: lists[-1]], []).append(item)
        elif lists:
            in_lists.setdefault(place[: lists[0]], []).append(item)
    return _Rows(*(list(rows.values()) for rows in (anywhere, in_objects, in_lists)))


def _with_both(rows: list[list[int]], first: int, second: int) -> list[list[int]]:
    return [row for row in rows if first in row and second in row]


def _values(sent: Sent) -> Iterator[tuple[ValuePlace, JSON]]:
    for at, (_, url, body) in enumerate(sent):
        yield (at, "url"), url
        yield from _inner(_read(body), (at, "body"))


def _read(body: bytes) -> JSON:
    """JSON, a list of the values of JSON lines, or a text under one key."""
    found: JSON
    try:
        found = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        try:
            found = [msgspec.json.decode(line) for line in body.splitlines()]
        except (msgspec.DecodeError, UnicodeDecodeError):
            found = {"text": body.decode("utf-8", "replace")}
    return found


def _inner(value: JSON, place: ValuePlace) -> Iterator[tuple[ValuePlace, JSON]]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _inner(inner, (*place, key))
    elif isinstance(value, list):
        for at, inner in enumerate(value):
            yield from _inner(inner, (*place, at))
    elif place[2:] == ("text",):
        yield from ((place, word) for word in re.findall(r"[\w.:@-]+", unquote_plus(str(value))))
    else:
        yield place, value
