"""Erase what waits at a destination for groups that are forgotten, and its dead letters. `find_*` run in a reading connection's thread
and open every event that may name a group; the others run in the writing thread. No worker of the destination may run.

What was mapped for a member can have the group's traits in it. It is mapped again at its turn, without them.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from typing import NamedTuple

import msgspec

from router.event import named_groups
from router.store.names_in_texts import Names
from router.store.regulation import Regulation
from router.store.rows import PART
from router.store.sqlite import forget_rows, regulation_rows
from router.store.sqlite.apply_commit import OutcomeCodes
from router.vocabulary import FORGOTTEN, EventState

LOOKED_THROUGH = 5_000
"""Rows that one reading looks through."""
BEFORE_ALL = -(1 << 63)

AT = forget_rows.AT % {"p": "x"}
ROWS = (
    "SELECT x.pos AS pos, x.user_key, {own}, length(coalesce(l.body, k.body, w.body)), coalesce(l.body, k.body), x.items, w.type"
    " FROM {table} x LEFT JOIN log l ON l.pos = {event} LEFT JOIN kept k ON k.pos = {event}"
    " LEFT JOIN woken w ON w.part = x.part AND w.destination = x.destination AND w.pos = x.pos"
    " WHERE x.part = ? AND x.destination = ? AND x.pos > ? AND {at} <= ? AND w.type IS NOT 'forget' ORDER BY x.pos LIMIT ?"
)
PARKED = ROWS.format(
    table="parked", own="x.state, x.origin, x.given", event="iif(x.origin = 0, x.pos, x.origin)",
    at=f"iif(x.origin <> 0, x.origin, {AT})",
)  # fmt: skip
LETTERS = ROWS.format(table="dead", own="'', x.size, ''", event="x.pos", at=AT)


class Found(NamedTuple):
    """What one reading has found."""

    theirs: list[tuple[int, str, str, int, int]]  #: rows of their events: pos, user key, state, origin or size, bytes
    mapped: list[tuple[int, int]]  #: rows of members' events, which are mapped again: pos, bytes of the items
    after: int | None  #: where the next reading begins; None: there is nothing more


def find_parked(db: sqlite3.Connection, destination: str, regulation: Regulation, after: int) -> Found:
    """The next parked rows."""
    return _find(db, PARKED, destination, regulation, after)


def find_letters(db: sqlite3.Connection, destination: str, regulation: Regulation, after: int) -> Found:
    """The next dead letters."""
    return _find(db, LETTERS, destination, regulation, after)


def _find(db: sqlite3.Connection, sql: str, destination: str, regulation: Regulation, after: int) -> Found:
    groups, names = regulation.groups, Names(regulation.told_as)
    members = frozenset(regulation_rows.members(db, regulation.id))
    found = Found([], [], None)
    looked_at = 0
    values = (PART, destination, after, regulation.bound, LOOKED_THROUGH)
    for pos, key, state, origin, given, size, body, items, woken in db.execute(sql, values):
        looked_at, after = looked_at + 1, pos
        is_made_for_them = bool(woken and items) and names.are_in(bytes(items).decode())  # and cannot be mapped again
        if is_made_for_them or not groups.isdisjoint(_groups_of(body, given)):
            found.theirs.append((pos, key, state, origin, size))
        elif items and not woken and key in members:
            found.mapped.append((pos, len(items)))
        if len(found.theirs) + len(found.mapped) == forget_rows.SLICE:
            return found._replace(after=after)
    return found._replace(after=after if looked_at == LOOKED_THROUGH else None)


def _groups_of(body: bytes | None, given: str) -> Iterator[str]:
    """Those that an event names, and that on whose behalf an operator released it."""
    yield from named_groups(body or b"")
    if given:
        yield str(msgspec.json.decode(given)["id"])


def erase_parked(
    destination: str, found: Found, codes: OutcomeCodes, now_ms: int, db: sqlite3.Connection, regulation: Regulation
) -> None:
    """Their events are dead; what was mapped for members is mapped again."""
    if found.theirs:
        code = codes.code(db, EventState.DEAD, FORGOTTEN)
        forget_rows.erase_parked(db, destination, found.theirs, code, now_ms)
    regulation.count(waiting=sum(pos > 0 for pos, *_ in found.theirs))
    again = [(PART, destination, pos) for pos, _ in found.mapped]
    db.executemany("UPDATE parked SET items = NULL WHERE part = ? AND destination = ? AND pos = ?", again)


def erase_letters(
    destination: str, found: Found, codes: OutcomeCodes, now_ms: int, db: sqlite3.Connection, regulation: Regulation
) -> None:
    """The same of dead letters: those of members stay, and a replay maps them again."""
    if found.theirs:
        code = codes.code(db, EventState.DEAD, FORGOTTEN)
        letters = [(pos, size) for pos, _, _, size, _ in found.theirs]
        forget_rows.erase_letters(db, destination, letters, code, now_ms)
    regulation.count(dead=len(found.theirs))
    again = [(size, PART, destination, pos) for pos, size in found.mapped]
    sql = "UPDATE dead SET items = NULL, size = size - ? WHERE part = ? AND destination = ? AND pos = ?"
    db.executemany(sql, again)
    forget_rows.count(db, destination, {"letter_bytes": -sum(size for _, size in found.mapped)})
