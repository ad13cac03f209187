"""The number of shards of a destination changes, twice, while its shards are not equally far; one of their owners freezes.

Two users in different halves of the slots, and their events in turn. An owner sends the next event of either user, books it, and commits where
it is: its cursor, and what is settled beyond. Where a new number of shards begins is computed by the code itself (`router/store/shards.py`).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple, TypeVar

from router.store.shards import Floor, Place, reshaped, slots_of

T = TypeVar("T")

LOG = "aba"
"""Whose event stands at positions 1, 2, ..."""
SLOT = {"a": 0, "b": 255}
LAST = len(LOG)
RULES = (
    "the lowest cursor counts, and what any shard had settled beyond its own",
    "the lowest cursor counts alone",
    "the highest cursor counts",
    "the epochs stay as they were",
    "a shard with an owner is replaced, too",
)
"""What is done otherwise."""


class Owner(NamedTuple):
    """Who serves a shard, as it remembers it."""

    shard: int
    shards: int
    epoch: int
    open: tuple[int, ...]  #: its own events that are not settled, as far as it knows
    booked: tuple[int, ...] = ()  #: sent, and not committed
    is_frozen: bool = False


class Stored(NamedTuple):
    """The unit in the database."""

    place: Place
    epoch: int = 1
    is_owned: bool = False
    is_given_back: bool = (
        False  #: for another number of shards: nobody takes it meanwhile, or the story would have no end
    )


class State(NamedTuple):
    units: tuple[Stored, ...] = (Stored(Place(0)),)
    owners: tuple[Owner, ...] = ()
    to_come: tuple[int, ...] = (2, 1)  #: numbers of shards
    got: tuple[int, ...] = (0,) * LAST  #: which events the vendor has
    counted: tuple[int, ...] = (0,) * LAST
    freezes: int = 1
    is_out_of_order: bool = False
    is_beside: bool = False  #: somebody has sent who owns the shard no more


class Reshape:
    """`broken`: which rule is left out."""

    def __init__(self, broken: str = "") -> None:
        self.broken = broken

    def steps(self, s: State) -> Iterator[tuple[str, State]]:
        """What may happen."""
        for n, unit in enumerate(s.units):
            if not unit.is_owned and not unit.is_given_back:
                owner = Owner(n, len(s.units), unit.epoch + 1, _left(unit.place, n, len(s.units)))
                units = _put(s.units, n, unit._replace(epoch=unit.epoch + 1, is_owned=True))
                yield f"shard {n} is taken", s._replace(units=units, owners=(*s.owners, owner))
        for i, owner in enumerate(s.owners):
            yield from self._of_owner(s, i, owner)
        if s.to_come and (self.broken == RULES[4] or not any(unit.is_owned for unit in s.units)):
            yield f"{s.to_come[0]} shards", s._replace(units=self._reshaped(s), to_come=s.to_come[1:])

    def _of_owner(self, s: State, i: int, owner: Owner) -> Iterator[tuple[str, State]]:
        name = f"the owner of shard {owner.shard} of {owner.shards}"
        if owner.booked:
            yield f"{name} commits", self._committed(s, i, owner)
        if owner.is_frozen:
            return
        for user in SLOT:
            mine = [pos for pos in owner.open if LOG[pos - 1] == user and pos not in owner.booked]
            if mine:
                sent = _sent(s, i, owner, mine[0])
                yield f"{name} sends {mine[0]}", sent._replace(is_beside=not self._is_its(s, owner))
        if s.to_come and not owner.booked and self._is_its(s, owner):
            units = _put(s.units, owner.shard, s.units[owner.shard]._replace(is_owned=False, is_given_back=True))
            yield f"{name} gives it back", s._replace(units=units, owners=_without(s.owners, i))
        if s.freezes and self._is_its(s, owner):  # so long that its lease ends
            units = _put(s.units, owner.shard, s.units[owner.shard]._replace(is_owned=False))
            owners = _put(s.owners, i, owner._replace(is_frozen=True))
            yield f"{name} freezes", s._replace(units=units, owners=owners, freezes=s.freezes - 1)

    @staticmethod
    def _is_its(s: State, owner: Owner) -> bool:
        return owner.shard < len(s.units) and s.units[owner.shard].epoch == owner.epoch

    def _committed(self, s: State, i: int, owner: Owner) -> State:
        if not self._is_its(s, owner):
            return s._replace(owners=_without(s.owners, i))
        left = tuple(pos for pos in owner.open if pos not in owner.booked)
        pos = left[0] - 1 if left else LAST
        ahead = frozenset(range(pos + 1, LAST + 1)).difference(left)
        unit = s.units[owner.shard]
        counted = tuple(n + (pos in owner.booked) for pos, n in enumerate(s.counted, 1))
        owners = _without(s.owners, i) if owner.is_frozen else _put(s.owners, i, owner._replace(open=left, booked=()))
        place = Place(pos, ahead, unit.place.floors)
        return s._replace(units=_put(s.units, owner.shard, unit._replace(place=place)), counted=counted, owners=owners)

    def _reshaped(self, s: State) -> tuple[Stored, ...]:
        places, shards = [unit.place for unit in s.units], s.to_come[0]
        epoch = max(unit.epoch for unit in s.units) + (self.broken != RULES[3])
        lowest = min(place.pos for place in places)
        union: frozenset[int] = frozenset().union(*(place.ahead for place in places))
        after = reshaped(places, shards)
        if self.broken == RULES[0]:
            after = [Place(lowest, frozenset(one for one in union if one > lowest))] * shards
        elif self.broken == RULES[1]:
            after = [Place(lowest)] * shards
        elif self.broken == RULES[2]:
            after = [Place(max(place.pos for place in places))] * shards
        return tuple(Stored(place, epoch) for place in after)

    def wrong(self, s: State) -> str:
        """What must never be."""
        if s.is_beside:
            return "sent beside another owner"
        if s.is_out_of_order:
            return "sent before an earlier event of the same user"
        return "an event is counted twice" if max(s.counted) > 1 else ""

    def goal(self, s: State) -> bool:
        """Each event is counted, and nothing is to come."""
        return set(s.counted) == {1} and not s.to_come


def _left(place: Place, shard: int, shards: int) -> tuple[int, ...]:
    """What a new owner finds to be done, in order."""
    return tuple(
        pos
        for pos, user in enumerate(LOG, 1)
        if SLOT[user] in slots_of(shard, shards)
        and not Floor(0, 0, place.pos, place.ahead).has(pos)
        and not any(floor.first <= SLOT[user] < floor.end and floor.has(pos) for floor in place.floors)
    )


def _sent(s: State, i: int, owner: Owner, pos: int) -> State:
    earlier = [n for at, n in enumerate(s.got, 1) if at < pos and LOG[at - 1] == LOG[pos - 1]]
    got = tuple(n or int(at == pos) for at, n in enumerate(s.got, 1))
    owners = _put(s.owners, i, owner._replace(booked=tuple(sorted((*owner.booked, pos)))))
    return s._replace(got=got, owners=owners, is_out_of_order=not all(earlier))


def _put(those: tuple[T, ...], n: int, value: T) -> tuple[T, ...]:
    return (*those[:n], value, *those[n + 1 :])


def _without(those: tuple[T, ...], n: int) -> tuple[T, ...]:
    return (*those[:n], *those[n + 1 :])
