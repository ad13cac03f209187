"""Deliveries of every kind of item with each of the standard answers, at each place where the plugin sends to."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from router.plugin import Item
from router.testing.checking.life import Delivery, Life, open_life
from router.testing.checking.loops import KitLoop
from router.testing.checking.mapping_call import short
from router.testing.checking.standard_answers import ANSWERS, GOOD, REFUSALS
from router.testing.replies import Answers, Received, Reply, answer_to

if TYPE_CHECKING:
    from router.testing.checking.subject import Subject

__all__ = [
    "MAX_PLACES",
    "READING",
    "AnsweredDelivery",
    "Place",
    "at_place",
    "came",
    "deliver_with_each_answer",
    "named",
    "place_of",
]

BATCH = 3
MAX_PLACES = 5
"""Those of a delivery that are looked at: the last ones."""
READING = ("GET", "HEAD")
"""Methods of requests that change nothing."""
OF_OTHER_KINDS = (*REFUSALS, "401", "404", "503", "a reset")
"""Answers that are looked at where another kind has had all of them at the same place."""
MIN_ID = 6
"""Characters. A shorter message id may be in a request by accident."""
Place = tuple[str, str]
"""Method and URL without its query."""


class Route:
    """The places of a delivery while all is well."""

    def __init__(self, delivery: Delivery, ids: Iterable[bytes]) -> None:
        """`ids`: of what the items were made of."""
        bodies: dict[Place, list[bytes]] = {}
        # more requests for a batch may be one for each item
        for seen in delivery.requests if len(delivery.items) == 1 else ():
            told = bodies.setdefault(place_of(seen), [])
            told += [seen.body] if seen.body not in told else []
        self._early = {(place, body): at for place, told in bodies.items() for at, body in enumerate(told[:-1], 1)}
        self.places = list(dict.fromkeys(map(self.place_of, delivery.requests)))
        own = [id for id in ids if any(id in item.json for item in delivery.items)]
        self.of_items = {
            self.place_of(seen)
            for seen in delivery.requests
            if seen.method not in READING and any(id in seen.body for id in own)
        }

    def place_of(self, seen: Received) -> Place:
        """Where a request goes to. Where a delivery sends several bodies to one URL, each but the last has a place of its own: with
        GraphQL look-ups and items go to one URL."""
        method, url = place_of(seen)
        number = self._early.get(((method, url), seen.body))
        return (method, url) if number is None else (method, f"{url} (body {number})")


@dataclass
class AnsweredDelivery:
    """One delivery."""

    answer: str  #: its name
    place_no: int  #: which of the places was answered so, counted from 0
    route: Route
    kind: str
    delivery: Delivery

    @property
    def places(self) -> list[Place]:
        """Where a delivery sends to while all is well."""
        return self.route.places

    @property
    def n(self) -> int:
        """Items."""
        return len(self.delivery.items)

    @property
    def is_last(self) -> bool:
        """Whether it is the answer at the last place. What comes before it may be a token, say."""
        return self.place_no >= len(self.places) - 1

    @property
    def is_of_items(self) -> bool:
        """Whether it is the answer at the last place, or to a request that has the id of an item, such as an upload."""
        return self.is_last or self.places[self.place_no] in self.route.of_items

    @property
    def was_met(self) -> bool:
        """Whether the plugin got the answer: a look-up that it has cached is not sent."""
        return bool(self.places) and self.places[self.place_no] in map(self.route.place_of, self.delivery.requests)

    @property
    def is_lookup(self) -> bool:
        """Whether it is the answer to a request before the items that only reads."""
        return not self.is_last and self.places[self.place_no][0] in READING

    @property
    def is_deletion(self) -> bool:
        """Whether it is the answer to a request that deletes: what is not there is deleted."""
        return self.places[self.place_no][0] == "DELETE"

    @property
    def has_gone_on(self) -> bool:
        """Whether the plugin then sent to a place where it sends nothing while all is well: it creates what is not there, say."""
        return any(self.route.place_of(seen) not in self.places for seen in self.delivery.requests)

    def is_answered_by(self, status: int) -> bool:
        """Whether the answer to the items has this status."""
        replies = self.delivery.replies
        return bool(replies) and replies[-1].status == status

    @property
    def where(self) -> str:
        """For findings."""
        items = f"{self.n} item" + ("s" if self.n > 1 else "") + (f" of kind {self.kind!r}" if self.kind else "")
        at = f" to {named(self.places[self.place_no])}" if self.places else ""
        return f"hook {self.delivery.hook or 'deliver'}, {items}, answer {self.answer!r}{at}"


def came(one: AnsweredDelivery) -> str:
    """The outcomes of a delivery, for findings."""
    outcomes = one.delivery.outcomes
    alike = all(outcome == outcomes[0] for outcome in outcomes)
    return short(outcomes[0] if outcomes and alike else outcomes)


def named(place: Place) -> str:
    """Its method and path, for findings: `POST /session`."""
    method, url = place
    _, _, rest = url.partition("://")
    _, slash, path = rest.partition("/")
    return f"{method} {short(slash + path) if path else '/'}"


def place_of(request: Received) -> Place:
    """Where a request goes to."""
    return request.method, request.url.partition("?")[0]


async def deliver_with_each_answer(subject: Subject, loop: KitLoop) -> list[AnsweredDelivery]:
    """All of them. Where a plugin sends no request, only the successes."""
    found: list[AnsweredDelivery] = []
    before: set[tuple[str, Place, bool]] = (
        set()
    )  # where something is asked for before one item of a kind, or a batch, is sent
    ids = {event.message_id.encode() for event in subject.events().values() if len(event.message_id) >= MIN_ID}
    for kind, items in subject.samples.items():
        for n in dict.fromkeys((1, min(BATCH, subject.destination.kinds[kind].max_items, len(items)))):
            async with open_life(subject, loop) as life:
                good = await life.deliver(items[:n])
                route = Route(good, ids)
                last = len(route.places) - 1
                found.append(AnsweredDelivery(GOOD, max(0, last), route, kind, good))
                for name, make in ANSWERS.items() if route.places else ():
                    found.append(await _one(life, name, make(n), last, route, kind, items[:n]))
            for at in range(max(0, last + 1 - MAX_PLACES), last):
                place = route.places[at]
                if (kind, place, n > 1) not in before:
                    names = _names(before, kind, place)
                    before.add((kind, place, n > 1))
                    found += await _of_place(subject, loop, names, at, route, kind, items[:n])
    return found


def _names(before: set[tuple[str, Place, bool]], kind: str, place: Place) -> Iterable[str]:
    """The answers that are looked at: all of them once for each place."""
    if (kind, place, False) in before:
        return REFUSALS
    return OF_OTHER_KINDS if any(place == other for _, other, _ in before) else ANSWERS


async def _of_place(
    subject: Subject, loop: KitLoop, names: Iterable[str], at: int, route: Route, kind: str, items: list[Item]
) -> list[AnsweredDelivery]:
    """Each answer meets a new instance: what is got there may be kept."""
    found = []
    for name in names:
        async with open_life(subject, loop) as life:
            found.append(await _one(life, name, ANSWERS[name](len(items)), at, route, kind, items))
    return found


async def _one(
    life: Life, name: str, reply: Reply, at: int, route: Route, kind: str, items: list[Item]
) -> AnsweredDelivery:
    delivery = await life.deliver(items, at_place(route.places[at], reply, life.subject.good, route.place_of))
    return AnsweredDelivery(name, at, route, kind, delivery)


def at_place(place: Place, reply: Reply, good: Answers, place_of: Callable[[Received], Place] = place_of) -> Answers:
    """This answer at one place, and a success everywhere else."""

    def answer(seen: Received) -> Reply:
        if place_of(seen) == place:
            return reply
        return answer_to(seen, good)

    return answer
