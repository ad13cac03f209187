"""Further attempts at the same items after one of their requests has failed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from router.plugin import Delivered
from router.testing.checking.answered_deliveries import MAX_PLACES, AnsweredDelivery, Place, at_place
from router.testing.checking.life import Delivery, open_life
from router.testing.checking.loops import KitLoop
from router.testing.checking.standard_answers import ANSWERS, GOOD
from router.testing.replies import Answers

if TYPE_CHECKING:
    from router.testing.checking.subject import Subject

__all__ = ["UnretriedRequest", "unretried_requests"]

TROUBLES = ("503", "a reset")
"""One is an answer, the other one an exception out of `sender.send`."""


@dataclass(frozen=True)
class UnretriedRequest:
    """A request that no attempt made again after it had failed."""

    kind: str
    place: Place
    trouble: str  #: the answer to it


async def unretried_requests(subject: Subject, loop: KitLoop) -> list[UnretriedRequest]:
    """Requests that failed once and were missing in the next attempt, though that one delivered."""
    found = []
    for one, place in _places(subject):
        async with open_life(subject, loop) as life:
            trouble = ""
            for answer in (*TROUBLES, GOOD):
                told = life.subject.good if answer == GOOD else _at(one, place, answer, life.subject.good)
                delivery = await life.deliver(one.delivery.items, told)
                if place not in map(one.route.place_of, delivery.requests):
                    if trouble and _is_delivered(delivery) and not _goes_elsewhere(one, delivery):
                        found.append(UnretriedRequest(one.kind, place, trouble))
                    break
                if answer != GOOD and _is_delivered(delivery):
                    break  # it is not attempted again
                trouble = answer
    return found


def _places(subject: Subject) -> Iterator[tuple[AnsweredDelivery, Place]]:
    """Each of the last places that a delivery of one item sends to, once for each kind, with such a delivery."""
    seen = set[tuple[str, Place]]()
    for one in subject.answered_deliveries:
        for place in one.places[-MAX_PLACES:] if one.answer == GOOD and one.n == 1 else ():
            if (one.kind, place) not in seen:
                seen.add((one.kind, place))
                yield one, place


def _at(one: AnsweredDelivery, place: Place, answer: str, good: Answers) -> Answers:
    return at_place(place, ANSWERS[answer](1), good, one.route.place_of)


def _is_delivered(delivery: Delivery) -> bool:
    return bool(delivery.outcomes) and all(isinstance(outcome, Delivered) for outcome in delivery.outcomes)


def _goes_elsewhere(one: AnsweredDelivery, delivery: Delivery) -> bool:
    """Such as to another host, after the usual one has failed."""
    return any(one.route.place_of(seen) not in one.places for seen in delivery.requests)
