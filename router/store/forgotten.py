"""Events whose content is gone, or is about to go. Until the log has no body of a forgotten person or group any more, whoever reads it
is given what will be left."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from router.event import named_groups, normalize_event
from router.store.regulation import Regulation
from router.store.rows import LogRow
from router.store.shards import slot_of
from router.traits import is_known

NOBODY = ""
"""The user key and the message id of an event whose person or group was forgotten."""


class GroupFacts(msgspec.Struct):
    """What is left of a group call: which group it told of, and the names of the traits. A group is no person. Without this a gate
    would open for others by a call that never went out."""

    groupId: str
    traits: list[str] = []


class Left(msgspec.Struct):
    """The header of what is left of an event."""

    slot: int = slot_of(NOBODY)  #: of its user


class Forgotten:
    """The people and groups of the regulations that are under way. Lives in the event loop."""

    def __init__(self) -> None:
        self._regulations: dict[str, Regulation] = {}
        self._bounds: dict[str, int] = {}  #: user key, or "g:<groupId>" -> events up to this position are forgotten
        self._group_bound = 0  #: the highest of a group: newer events are not opened

    def __bool__(self) -> bool:
        return bool(self._regulations)

    def begin(self, regulation: Regulation) -> None:
        """From here on nobody reads these events."""
        self._regulations[regulation.id] = regulation
        self._add_up()

    def end(self, regulation_id: str) -> None:
        """The store has nothing of them any more."""
        self._regulations.pop(regulation_id, None)
        self._add_up()

    def replace(self, regulations: Iterable[Regulation]) -> bool:
        """These are under way, and no others. Returns whether one has ended: what was read before may have what it has erased."""
        before, self._regulations = self._regulations, {one.id: one for one in regulations}
        self._add_up()
        return not before.keys() <= self._regulations.keys()

    def _add_up(self) -> None:
        self._bounds = {}
        for regulation in self._regulations.values():
            for key in regulation.keys:
                self._bounds[key] = max(regulation.bound, self._bounds.get(key, 0))
        self._group_bound = max((bound for key, bound in self._bounds.items() if key.startswith("g:")), default=0)

    def blanked(self, rows: list[LogRow]) -> list[LogRow]:
        """These rows, those of forgotten people and groups without what they said. Costs nothing while nobody is being forgotten."""
        return [self._left_of(row) for row in rows] if self._bounds else rows

    def _left_of(self, row: LogRow) -> LogRow:
        if self._names_group(row):
            return blank(row, b"")
        if row.pos <= self._bounds.get(row.user_key, 0):
            return blank(row, left_of(row.source, row.type, row.message_id, row.received_at, row.body))
        return row

    def _names_group(self, row: LogRow) -> bool:
        """Whether the event is that of a forgotten group."""
        if row.pos > self._group_bound:
            return False
        return any(row.pos <= self._bounds.get(f"g:{group}", 0) for group in named_groups(row.body))

    def without(self, rows: Sequence[LogRow]) -> list[LogRow]:
        """These rows but for those of forgotten people and groups."""
        return [row for row in self.blanked(list(rows)) if row.user_key != NOBODY]


def blank(row: LogRow, left: bytes) -> LogRow:
    """What is left of an event: when, from which source, of which type it was, and the slot of its user, one of 256: the shard that has not
    settled it yet must find it. `left`: of its body."""
    header = msgspec.json.encode(Left(slot_of_event(row)))
    return LogRow(
        row.pos, row.received_at, row.source, row.type, NOBODY, NOBODY, header + b"\n" + left.partition(b"\n")[2]
    )


def slot_of_event(row: LogRow) -> int:
    """The slot of its user, also where that was forgotten."""
    if row.user_key != NOBODY or not row.body:
        return slot_of(row.user_key)
    return msgspec.json.decode(row.body.partition(b"\n")[0], type=Left).slot


def left_of(source: str, type_: str, message_id: str, received_at: int, body: bytes) -> bytes:
    """What is left of a body: of a group call its group, of any other call nothing."""
    if type_ != "group" or not body:
        return b""
    event = normalize_event(source, type_, message_id, received_at, body)
    if event.group_id is None:
        return b""
    traits = [name for name, value in event.traits.items() if is_known(value)]
    return b"{}\n" + msgspec.json.encode(GroupFacts(event.group_id, traits))


def facts_of(body: bytes) -> GroupFacts | None:
    """What `left_of` has left of a group call."""
    told = body.partition(b"\n")[2]
    return msgspec.json.decode(told, type=GroupFacts) if told else None


def ids_of(keys: Iterable[str]) -> list[str]:
    """The ids in user keys, longest first."""
    return sorted({key[2:] for key in keys}, key=len, reverse=True)
