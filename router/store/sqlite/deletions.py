"""What became of the deletions that a destination was asked for. Runs in a reading connection's thread."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from router.store.regulation import deletions_of
from router.store.rows import PART
from router.vocabulary import EventState


def asked(db: sqlite3.Connection, destination: str, regulation_id: str) -> list[int]:
    """Where the deletions of a regulation stand that wait or failed."""
    sql = "SELECT pos FROM woken WHERE part = ? AND destination = ? AND type = 'forget' AND message_id GLOB ?"
    return [pos for (pos,) in db.execute(sql, (PART, destination, f"{deletions_of(regulation_id)}*"))]


def states(db: sqlite3.Connection, destination: str, positions: Sequence[int]) -> dict[int, tuple[str, str]]:
    """(state, reason) of each of these, by position. One of which nothing is told any more has ended."""
    return {pos: _state(db, destination, pos) for pos in positions}


def _state(db: sqlite3.Connection, destination: str, pos: int) -> tuple[str, str]:
    here = (PART, destination, pos)
    where = "part = ? AND destination = ? AND pos = ?"
    if row := db.execute(f"SELECT state, reason FROM parked WHERE {where}", here).fetchone():
        return str(row[0]), str(row[1])
    if row := db.execute(f"SELECT reason FROM dead WHERE {where}", here).fetchone():
        return EventState.DEAD, str(row[0])
    told = "SELECT state, reason FROM outcome JOIN code USING (code) WHERE part = ? AND destination = ? AND pos = ?"
    if row := db.execute(told, here).fetchone():
        return str(row[0]), str(row[1])
    return EventState.DELIVERED, ""
