"""Events whose content is gone, or is about to go. Until the log has no body of a forgotten person any more, whoever reads it is
given what will be left."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from router.event import normalize_event
from router.store.regulation import Regulation
from router.store.rows import LogRow
from router.traits import is_known

NOBODY = ""
"""The user key and the message id of an event whose person was forgotten."""


class GroupFacts(msgspec.Struct):
    """What is left of a group call: which group it told of, and the names of the traits. A group is no person. Without this a gate
    would open for others by a call that never went out."""

    groupId: str
    traits: list[str] = []


class Forgotten:
    """The people of the regulations that are under way. Lives in the event loop."""

    def __init__(self) -> None:
        self._regulations: dict[str, Regulation] = {}
        self._bounds: dict[str, int] = {}  #: user key -> events up to this position are forgotten

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

    def _add_up(self) -> None:
        self._bounds = {}
        for regulation in self._regulations.values():
            for key in regulation.keys:
                self._bounds[key] = max(regulation.bound, self._bounds.get(key, 0))

    def blanked(self, rows: list[LogRow]) -> list[LogRow]:
        """These rows, those of forgotten people without what they said. Costs nothing while nobody is being forgotten."""
        bounds = self._bounds
        if not bounds:
            return rows
        return [blank(row) if row.pos <= bounds.get(row.user_key, 0) else row for row in rows]

    def without(self, rows: Sequence[LogRow]) -> list[LogRow]:
        """These rows but for those of forgotten people."""
        bounds = self._bounds
        return [row for row in rows if row.user_key != NOBODY and row.pos > bounds.get(row.user_key, 0)]


def blank(row: LogRow) -> LogRow:
    """What is left of an event: when, from which source, and of which type it was."""
    left = left_of(row.source, row.type, row.message_id, row.received_at, row.body)
    return LogRow(row.pos, row.received_at, row.source, row.type, NOBODY, NOBODY, left)


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
    return msgspec.json.decode(body.partition(b"\n")[2], type=GroupFacts) if body else None


def ids_of(keys: Iterable[str]) -> list[str]:
    """The ids in user keys, longest first."""
    return sorted({key[2:] for key in keys}, key=len, reverse=True)
