"""Items of one user in one request, and in which order the request has them.

Which item a value belongs to is known from what is sent for each item alone. Two items are compared where values of both stand at
the same place of the request: in one list, or in one line of requests.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
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

__all__ = ["OwnItem", "fault_of_order", "items_of_one_user"]

MAX_CALLS, MAX_ITEMS = 12, 24
"""Calls that are made twice; items of one request."""
ANY = "*"
Place = tuple[str | int, ...]
"""Where a value stands: keys of objects, and numbers in lists. The first number is that of the request."""


class OwnItem(NamedTuple):
    """An item of a user."""

    item: Item
    like: tuple[
        int, int
    ]  #: which call made it, and which of its items it is; items of a call that is made again are alike


def items_of_one_user(subject: Subject) -> Iterator[tuple[str, list[OwnItem]]]:
    """As many items of one user and one kind as a request carries. Each call is made twice, one after the other."""
    calls = list(islice(subject.single_events(), MAX_CALLS))
    events = {str(at): later(calls[at // 2], at) for at in range(2 * len(calls))}
    found: dict[tuple[str, str | None], list[OwnItem]] = {}
    for made in subject.mapped(events):
        for number, item in enumerate(made.items if made.label in events else ()):
            own = found.setdefault((item.kind, events[made.label].user_id), [])
            if item not in (other.item for other in own):
                own.append(OwnItem(item, (int(made.label) // 2, number)))
    kinds = subject.destination.kinds
    for (kind, _), own in found.items():
        rest = own if kind in kinds else []
        while len(rest) > 1:
            n = min(len(next(batches([one.item for one in rest], kinds))), MAX_ITEMS)
            if n > 1:
                yield kind, rest[:n]
            rest = rest[n:]


def fault_of_order(own: Sequence[OwnItem], send: Callable[[list[list[Item]]], list[Sent]]) -> str:
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
            return f"{second} is sent before {first}"
    is_same = sent[len(own)] == sent[len(own) + 1]
    return "the same is sent for both orders" if is_same and read.is_hidden(sent[len(own)]) else ""


class _Order:
    """Tells in which order something sent has the items."""

    def __init__(self, items: Sequence[OwnItem], alone: Sequence[Sent]) -> None:
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

        Like items have to be in order wherever they stand. Others only within one list: a vendor may take a list for each type of call.
        """
        anywhere, in_one_list = self._rows(sent)
        for number, first in enumerate(order):
            for second in order[number + 1 :]:
                are_alike = self._items[first].like == self._items[second].like
                rows = [row for row in (anywhere if are_alike else in_one_list) if first in row and second in row]
                if rows and all(row.index(second) < row.index(first) for row in rows):
                    return first, second
        return None

    def _rows(self, sent: Sent) -> tuple[list[list[int]], list[list[int]]]:
        """The items whose values stand at each place, in order, whichever list it is in; and those in the objects of each list."""
        anywhere, in_one_list = dict[Place, list[int]](), dict[Place, list[int]]()
        for place, value in _values(sent):
            if (item := self._item_of.get(value)) is not None:
                anywhere.setdefault(tuple(ANY if isinstance(part, int) else part for part in place), []).append(item)
                last = max(at for at, part in enumerate(place) if isinstance(part, int))
                if 0 < last < len(place) - 1:  # in an object of a list: names of columns are no items
                    in_one_list.setdefault(place[:last], []).append(item)
        return list(anywhere.values()), list(in_one_list.values())


def _values(sent: Sent) -> Iterator[tuple[Place, JSON]]:
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


def _inner(value: JSON, place: Place) -> Iterator[tuple[Place, JSON]]:
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
