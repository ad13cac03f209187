"""The group gate: whether what a plugin must know first is known here, and which group calls supply it.

It knows no vendor. A group call supplies at this destination once it is settled and not dead; seeing one is never enough.
"""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Iterable, Mapping

import msgspec

from router.directory import keys_of, standing
from router.plugin import Event, Group
from router.store import Known, SupplyRow


class Open(msgspec.Struct, frozen=True):
    """The event may go out, on behalf of this group."""

    group_id: str | None


class Closed(msgspec.Struct, frozen=True):
    """The event must wait. `need`: a user key (a group call of that user), "c:<position>" (that call, which is on its way or
    dead) or "g:<group>" (a trait of that group). `also`: another user key that will do."""

    reason: str
    need: str
    group_id: str = ""
    also: str = ""


class Told(msgspec.Struct, frozen=True):
    """What a group call told, on behalf of which user keys."""

    group_id: str
    user_keys: frozenset[str]
    traits: frozenset[str]


class Supplies:
    """Which group calls do not supply at this destination. The healthy case costs nothing: only unsettled and dead ones
    are remembered, and everything before the destination's start supplies."""

    def __init__(self, start: int, frontier: int, settled_ahead: Iterable[int]) -> None:
        self.frontier = frontier  #: last position read from the log; nothing above it can have been settled
        self._start = start
        self._settled_ahead = frozenset(settled_ahead)
        self._unsettled: dict[int, int] = {}  #: by position, in the order of their reading: `_told_ever` at that time
        self._told: deque[Told] = deque()  #: by calls that supplied since the first of these was read
        self._told_ever = 0
        self._missing: dict[int, SupplyRow] = {}
        self._by_group: dict[str, set[int]] = {}

    def restore(self, rows: Iterable[SupplyRow]) -> None:
        """Take over what the store remembers."""
        for row in rows:
            self._missing[row.pos] = row
            self._by_group.setdefault(row.group_id, set()).add(row.pos)

    def read(self, pos: int, type: str) -> None:
        """An event was read from the log: from here on it counts as unsettled, if it can supply at all."""
        self.frontier = pos
        if type == "group":
            self._unsettled[pos] = self._told_ever

    def has(self, pos: int, what: str) -> bool:
        """Whether the group call at `pos` supplies `what`: "id" or the name of a group trait."""
        if pos <= self._start:
            return True
        if pos in self._unsettled or (pos > self.frontier and pos not in self._settled_ahead):
            return False
        row = self._missing.get(pos)
        return row is None or what not in row.missing

    def fail(
        self, pos: int, user_key: str, group_id: str, traits: Iterable[str], *, dead: bool = False
    ) -> SupplyRow | None:
        """The call is parked or dead. Returns the row that remembers it; None: it is dead, and others told all that it tells."""
        read = self._unsettled.pop(pos, None)
        row = self._missing.get(pos)
        if row is None:
            row = self._missing[pos] = SupplyRow(pos, user_key, group_id, [])
            self._by_group.setdefault(group_id, set()).add(pos)
            if read is not None:  # else it was dead, others stood in for it, and it is tried once more
                row.missing = ["id", *traits]
                for told in self._told_since(read):
                    row.missing = _left(row, told)
        row.is_dead = dead
        if dead and not row.missing:
            self._forget(pos, group_id)
            return None
        return row

    def settle(
        self, pos: int, user_keys: Iterable[str], group_id: str, traits: Iterable[str]
    ) -> dict[int, SupplyRow | None]:
        """The call is settled and not dead: it supplies, also in place of earlier ones that do not.

        Returns the rows this changes (None: the row goes).
        """
        self._unsettled.pop(pos, None)
        changed: dict[int, SupplyRow | None] = {}
        told = self.tell(user_keys, group_id, traits)
        for other in list(self._by_group.get(group_id, ())):
            row = self._missing[other]
            left = _left(row, told)
            if other == pos or (row.is_dead and not left):
                changed[other] = None
                self._forget(other, group_id)
            elif left != row.missing:
                row.missing = left
                changed[other] = row
        return changed

    def _told_since(self, read: int) -> Iterable[Told]:
        return itertools.islice(self._told, read - (self._told_ever - len(self._told)), None)

    def tell(self, user_keys: Iterable[str], group_id: str, traits: Iterable[str]) -> Told:
        """A call supplies, by now. One that was read before it may fail after it, and what this told is not missing then."""
        told = Told(group_id, frozenset(user_keys), frozenset(traits))
        if not self._unsettled:
            self._told.clear()
            return told
        self._told.append(told)
        self._told_ever += 1
        oldest = next(iter(self._unsettled.values()))
        while self._told_ever - len(self._told) < oldest:
            self._told.popleft()
        return told

    def _forget(self, pos: int, group_id: str) -> None:
        del self._missing[pos]
        self._by_group[group_id].discard(pos)
        if not self._by_group[group_id]:
            del self._by_group[group_id]


def _left(row: SupplyRow, told: Told) -> list[str]:
    """What is still missing of a call after another one told this."""
    if row.group_id != told.group_id:
        return row.missing
    return [
        what
        for what in row.missing
        if what not in told.traits and not (what == "id" and row.user_key in told.user_keys)
    ]


def call_need(pos: int) -> str:
    """The need that is met once the group call at this position supplies."""
    return f"c:{pos}"


def ask(
    requirements: Iterable[Group],
    event: Event,
    lane_key: str,
    pos: int,
    known: Known,
    supplies: Supplies,
    told_as: Mapping[str, tuple[str, ...]] = {},
) -> Open | Closed:
    """Judge the gate for an event at `pos`. `told_as`: under which names calls tell a trait, where a mapping table says so; any
    of them will do, and where there are none the trait is always known."""
    keys = keys_of(event, lane_key, pos, known)
    found = standing(event, keys, pos, known)
    for requirement in requirements:
        if found is None:
            return Closed("group_unknown", keys[0], also="".join(keys[1:]))
        if found.call_pos is not None and not supplies.has(found.call_pos, "id"):
            return Closed("group_unknown", call_need(found.call_pos))
        company = known.companies.get(found.group_id)
        for trait in requirement.traits:
            names = told_as.get(trait, (trait,))
            since = company.since if company else {}
            if names and not any(name in since and supplies.has(since[name], name) for name in names):
                return Closed(f"group_{trait}_unknown", f"g:{found.group_id}", found.group_id)
    return Open(found.group_id if found else None)
