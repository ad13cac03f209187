"""Which events belong to which shard of a destination. Pure, and computed from the user key, so that the number of shards may change."""

from __future__ import annotations

import zlib
from typing import NamedTuple

SLOTS = 256
"""A user key has one of so many slots. A shard has a run of them."""
MOST_SHARDS = 64


def slot_of(user_key: str) -> int:
    """The slot of a user key: that of the log row, never that of the user it was linked to later."""
    return zlib.crc32(user_key.encode()) % SLOTS


def slots_of(shard: int, shards: int) -> range:
    """The slots of one of so many shards, a power of two."""
    if shards not in (1, 2, 4, 8, 16, 32, MOST_SHARDS):
        raise ValueError(f"{shards} shards: want a power of two, at most {MOST_SHARDS}")
    return range(shard * SLOTS // shards, (shard + 1) * SLOTS // shards)


class Share(NamedTuple):
    """One of the shards of a destination."""

    shard: int = 0
    shards: int = 1  #: that the destination has

    @property
    def slots(self) -> range:
        """Whose events are its own."""
        return slots_of(self.shard, self.shards)

    def has(self, user_key: str) -> bool:
        """Whether events of this user are its own."""
        return self.shards == 1 or slot_of(user_key) in self.slots


WHOLE = Share()
"""Of a destination that is not split."""


class Floor(NamedTuple):
    """What is settled, or has a row, of some slots of a shard, beyond the cursor of the shard."""

    first: int
    end: int  #: the slots are `first` to `end` - 1
    pos: int  #: all up to here
    ahead: frozenset[int] = frozenset()  #: and these

    def has(self, pos: int) -> bool:
        """Whether an event at this position is settled, if it is of these slots."""
        return pos <= self.pos or pos in self.ahead


class Place(NamedTuple):
    """How far a shard is."""

    pos: int
    ahead: frozenset[int] = frozenset()
    floors: tuple[Floor, ...] = ()


def split(share: Share, place: Place) -> list[Floor]:
    """The slots of a shard, each once, with what is settled of them."""
    found, at = [], share.slots.start
    for floor in sorted(place.floors):
        if at < floor.first:
            found.append(Floor(at, floor.first, place.pos, place.ahead))
        pos = max(place.pos, floor.pos)
        found.append(Floor(floor.first, floor.end, pos, above(pos, place.ahead | floor.ahead)))
        at = floor.end
    if at < share.slots.stop:
        found.append(Floor(at, share.slots.stop, place.pos, place.ahead))
    return found


def reshaped(places: list[Place], shards: int) -> list[Place]:
    """Where so many shards begin that take the place of these. Nothing that is settled is read again, and nothing that is not is passed over."""
    parts = [part for n, place in enumerate(places) for part in split(Share(n, len(places)), place)]
    found = []
    for n in range(shards):
        slots = slots_of(n, shards)
        mine = [
            Floor(max(one.first, slots.start), min(one.end, slots.stop), one.pos, one.ahead)
            for one in parts
            if one.first < slots.stop and slots.start < one.end
        ]
        if len({(one.pos, one.ahead) for one in mine}) == 1:
            found.append(Place(mine[0].pos, mine[0].ahead))
            continue
        pos = min(one.pos for one in mine)
        found.append(Place(pos, frozenset(), tuple(one for one in mine if one.pos > pos or one.ahead)))
    return found


def above(pos: int, positions: frozenset[int]) -> frozenset[int]:
    """Those of these positions that are above one."""
    return frozenset(one for one in positions if one > pos)
