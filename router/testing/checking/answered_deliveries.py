"""Deliveries of every kind of item with each of the standard answers, at each place where the plugin sends to."""

from __future__ import annotations

from collections.abc import Iterable
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

__all__ = ["MAX_PLACES", "READING", "Answered", "Place", "answered", "at_place", "came", "place_of"]

BATCH = 3
MAX_PLACES = 5
"""Those of a delivery that are looked at: the last ones."""
READING = ("GET", "HEAD")
"""Methods of requests that change nothing."""
Place = tuple[str, str]
"""Method and URL without its query."""


@dataclass
class Answered:
    """One delivery."""

    answer: str  #: its name
    place: int  #: which of the requests of a delivery was answered so, counted from 0
    places: list[Place]  #: where a delivery sends to while all is well
    kind: str
    delivery: Delivery

    @property
    def n(self) -> int:
        """Items."""
        return len(self.delivery.items)

    @property
    def is_last(self) -> bool:
        """Whether it is the answer to the items themselves, not to what comes before them, such as a token."""
        return self.place >= len(self.places) - 1

    @property
    def was_met(self) -> bool:
        """Whether the plugin got the answer: what it has asked for before it need not ask for again."""
        return bool(self.places) and self.places[self.place] in map(place_of, self.delivery.requests)

    @property
    def is_lookup(self) -> bool:
        """Whether it is the answer to a request before the items that only reads."""
        return not self.is_last and self.places[self.place][0] in READING

    @property
    def is_deletion(self) -> bool:
        """Whether it is the answer to a request that deletes: what is not there is deleted."""
        return self.places[self.place][0] == "DELETE"

    @property
    def has_gone_on(self) -> bool:
        """Whether the plugin then sent to a place where it sends nothing while all is well: it creates what is not there, say."""
        return any(place_of(seen) not in self.places for seen in self.delivery.requests)

    def is_answered_by(self, status: int) -> bool:
        """Whether the answer to the items has this status."""
        answered = self.delivery.answered
        return bool(answered) and answered[-1].status == status

    @property
    def where(self) -> str:
        """For findings."""
        items = f"{self.n} item" + ("s" if self.n > 1 else "") + (f" of kind {self.kind!r}" if self.kind else "")
        n = len(self.places)
        at = "" if n < 2 else f" at request {self.place + 1} of {n}"
        return f"hook {self.delivery.hook or 'deliver'}, {items}, answer {self.answer!r}{at}"


def came(one: Answered) -> str:
    """The outcomes of a delivery, for findings."""
    outcomes = one.delivery.outcomes
    alike = all(outcome == outcomes[0] for outcome in outcomes)
    return short(outcomes[0] if outcomes and alike else outcomes)


def place_of(request: Received) -> Place:
    """Where a request goes to."""
    return request.method, request.url.partition("?")[0]


async def answered(subject: Subject, loop: KitLoop) -> list[Answered]:
    """All of them. Where a plugin sends no request, only the successes."""
    found: list[Answered] = []
    before: set[tuple[Place, bool]] = set()  # where something is asked for before one item, or a batch, is sent
    for kind, items in subject.samples.items():
        for n in dict.fromkeys((1, min(BATCH, subject.destination.kinds[kind].max_items, len(items)))):
            async with open_life(subject, loop) as life:
                good = await life.deliver(items[:n])
                places = list(dict.fromkeys(map(place_of, good.requests)))
                found.append(Answered(GOOD, max(0, len(places) - 1), places, kind, good))
                for name, make in ANSWERS.items() if places else ():
                    found.append(await _one(life, name, make(n), len(places) - 1, places, kind, items[:n]))
            for at in range(max(0, len(places) - MAX_PLACES), len(places) - 1):
                place = places[at]
                if (place, n > 1) not in before:
                    # the rest of the answers was looked at with one item
                    names = REFUSALS if (place, False) in before else ANSWERS
                    before.add((place, n > 1))
                    found += await _of_place(subject, loop, names, at, places, kind, items[:n])
    return found


async def _of_place(
    subject: Subject, loop: KitLoop, names: Iterable[str], at: int, places: list[Place], kind: str, items: list[Item]
) -> list[Answered]:
    """Each answer meets a new instance: what is got there may be kept."""
    found = []
    for name in names:
        async with open_life(subject, loop) as life:
            found.append(await _one(life, name, ANSWERS[name](len(items)), at, places, kind, items))
    return found


async def _one(
    life: Life, name: str, reply: Reply, at: int, places: list[Place], kind: str, items: list[Item]
) -> Answered:
    delivery = await life.deliver(items, at_place(places[at], reply, life.subject.good))
    return Answered(name, at, places, kind, delivery)


def at_place(place: Place, reply: Reply, good: Answers) -> Answers:
    """This answer at one place, and a success everywhere else."""

    def answer(seen: Received) -> Reply:
        if place_of(seen) == place:
            return reply
        return answer_to(seen, good)

    return answer
