"""Which group calls count at one destination.

A call counts once it is settled here and was not refused. The healthy case costs nothing: only unsettled and refused
calls are remembered, and everything before the destination's start counts.
"""

from __future__ import annotations

import itertools
import sys
from collections import deque
from collections.abc import Iterable
from functools import lru_cache

import msgspec

from router.decide.position_index import PositionIndex
from router.store import GroupCallRow

ID = "id"
"""Stands for the membership itself, beside the names of group traits."""


class Announced(msgspec.Struct, frozen=True):
    """What a settled group call has told, on behalf of which user keys."""

    group_id: str
    user_keys: frozenset[str]
    traits: frozenset[str]


class GroupReadiness:
    """Owned by a worker. Rows are changed in memory and returned, for the commit that goes with the change."""

    def __init__(self, start: int, read_pos: int, settled_ahead: Iterable[int]) -> None:
        self.read_pos = read_pos  #: last position read from the log; nothing above it can have been settled
        self._start = start
        self._settled_ahead = frozenset(settled_ahead)
        self._unsettled: dict[int, int] = {}  #: by position, in the order of reading: `_announced_ever` at that time
        self._announced: deque[Announced] = deque()  #: by calls settled since the first of these was read
        self._announced_ever = 0
        self._rows: dict[int, GroupCallRow] = {}
        self._by_member: PositionIndex[tuple[str, str]] = (
            PositionIndex()
        )  #: (group, user key) of rows that miss the membership
        self._by_traits: dict[
            str, PositionIndex[tuple[str, ...]]
        ] = {}  #: by group: what is missing, of rows that miss traits

    def restore(self, rows: Iterable[GroupCallRow]) -> None:
        """Take over what the store remembers."""
        for row in rows:
            self._add(row)

    def read(self, pos: int, type: str) -> None:
        """An event was read from the log: from here on it counts as unsettled, if it can tell of a group at all."""
        self.read_pos = pos
        if type == "group":
            self._unsettled[pos] = self._announced_ever

    def has(self, pos: int, what: str) -> bool:
        """Whether the group call at `pos` counts for `what`: "id" or the name of a group trait."""
        if pos <= self._start:
            return True
        if pos in self._unsettled or (pos > self.read_pos and pos not in self._settled_ahead):
            return False
        row = self._rows.get(pos)
        return row is None or what not in row.missing

    def is_remembered(self, pos: int) -> bool:
        """Whether the group call at `pos` has a row: it waits, is dead, or was kept from here."""
        return pos in self._rows

    def misses(self, group_id: str, user_key: str) -> bool:
        """Whether a call that told this membership has a row, and no later one told it."""
        return (group_id, user_key) in self._by_member

    def forget(self, pos: int) -> None:
        """The call at `pos` ends here without a word, and nobody can ask for it."""
        self._unsettled.pop(pos, None)

    def is_refused(self, pos: int) -> bool:
        """Whether the group call at `pos` ended dead or was filtered here, and no later call said the same of its user. Threads ask it, too."""
        row = self._rows.get(pos)
        return row is not None and row.is_dead and ID in row.missing

    def fail(
        self, pos: int, user_key: str, group_id: str, traits: Iterable[str], *, is_dead: bool = False
    ) -> GroupCallRow | None:
        """The call is parked or dead. Returns the row that remembers it; None: it is dead, and others told all it tells."""
        read = self._unsettled.pop(pos, None)
        row = self._rows.get(pos)
        if row is None:
            row = GroupCallRow(pos, user_key, group_id, (), is_dead)
            if read is not None:  # else it was dead, others stood in for it, and it is tried once more
                row.missing = (ID, *(trait for trait in dict.fromkeys(traits) if trait != ID))
                for announced in self._announced_since(read):
                    row.missing = _left(row, announced)
            if is_dead and not row.missing:
                return None
            self._add(row)
            return row
        row.is_dead = is_dead
        if is_dead and not row.missing:
            self._remove(row)
            return None
        return row

    def settle(
        self, pos: int, user_keys: Iterable[str], group_id: str, traits: Iterable[str]
    ) -> dict[int, GroupCallRow | None]:
        """The call is settled and counts, also in place of earlier ones that do not.

        Returns the rows this changes (None: the row goes).
        """
        self._unsettled.pop(pos, None)
        announced = self.announce(user_keys, group_id, traits)
        changed: dict[int, GroupCallRow | None] = {}
        for other in self._told_by(announced):
            row = self._rows[other]
            self._take_from_index(row)
            row.missing = _shared(_left(row, announced))  # it stays among the rows: a thread may ask for it meanwhile
            if row.is_dead and not row.missing:
                del self._rows[other]
                changed[other] = None
            else:
                self._put_into_index(row)
                changed[other] = row
        own = self._rows.get(pos)
        if own is not None:
            self._remove(own)
            changed[pos] = None
        return changed

    def announce(self, user_keys: Iterable[str], group_id: str, traits: Iterable[str]) -> Announced:
        """A call counts by now. One that was read before it may fail after it, and what this told is not missing then."""
        announced = Announced(group_id, frozenset(user_keys), frozenset(traits))
        if not self._unsettled:
            self._announced.clear()
            return announced
        self._announced.append(announced)
        self._announced_ever += 1
        oldest = next(iter(self._unsettled.values()))
        while self._announced_ever - len(self._announced) < oldest:
            self._announced.popleft()
        return announced

    def _announced_since(self, read: int) -> Iterable[Announced]:
        return itertools.islice(self._announced, max(0, read - (self._announced_ever - len(self._announced))), None)

    def _told_by(self, announced: Announced) -> list[int]:
        """Positions of calls that miss something of this."""
        group_id, traits = announced.group_id, announced.traits - {ID}
        found = [pos for user_key in announced.user_keys for pos in self._by_member.of((group_id, user_key))]
        of_group = self._by_traits.get(group_id)
        if of_group is not None:
            found += [pos for missing in of_group if not traits.isdisjoint(missing) for pos in of_group.of(missing)]
        return list(dict.fromkeys(found))

    def _add(self, row: GroupCallRow) -> None:
        row.group_id, row.missing = sys.intern(row.group_id), _shared(row.missing)
        self._rows[row.pos] = row
        self._put_into_index(row)

    def _remove(self, row: GroupCallRow) -> None:
        del self._rows[row.pos]
        self._take_from_index(row)

    def _put_into_index(self, row: GroupCallRow) -> None:
        if ID in row.missing:
            self._by_member.add((row.group_id, row.user_key), row.pos)
        if row.missing not in ((), (ID,)):
            self._by_traits.setdefault(row.group_id, PositionIndex()).add(row.missing, row.pos)

    def _take_from_index(self, row: GroupCallRow) -> None:
        self._by_member.discard((row.group_id, row.user_key), row.pos)
        of_group = self._by_traits.get(row.group_id)
        if of_group is not None:
            of_group.discard(row.missing, row.pos)
            if not of_group:
                del self._by_traits[row.group_id]


@lru_cache(maxsize=1_000)
def _shared(missing: tuple[str, ...]) -> tuple[str, ...]:
    """The same tuple for all that miss the same: group calls of one source tell the same traits."""
    return missing


def _left(row: GroupCallRow, announced: Announced) -> tuple[str, ...]:
    """What is still missing of a call after another one was settled."""
    if row.group_id != announced.group_id:
        return row.missing
    return tuple(
        what
        for what in row.missing
        if not (row.user_key in announced.user_keys if what == ID else what in announced.traits)
    )
