"""What can be sent again. Each function runs in a reading connection's thread."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Mapping, Sequence

import msgspec

from router.store.outcome_blocks import SPAN, all_codes
from router.store.rows import PART, DeadRow, LogRow, ReplayRow
from router.store.sqlite.event_columns import DEAD, key_list
from router.store.sqlite.outcome_reads import outcome_of

SLICE_BYTES = 1_000_000
"""Of events and dead letters that one read gives."""
LOOKED_THROUGH = 5_000
"""Positions of the log that one read looks through."""
COUNTED = 20_000
"""Positions that one read counts."""


def newest(db: sqlite3.Connection, destination: str) -> ReplayRow | None:
    """The newest replay of a destination."""
    row = db.execute("SELECT job FROM replay WHERE part = ? AND destination = ?", (PART, destination)).fetchone()
    return None if row is None else msgspec.json.decode(row[0], type=ReplayRow)


def settled(
    db: sqlite3.Connection, destination: str, after: int, last: int, types: Sequence[str], limit: int
) -> tuple[list[LogRow], dict[int, DeadRow], frozenset[int], int]:
    """Events of a span without a parked row, also of a second sending; the dead letters among them, the positions that were
    sent late before, and how far the log was looked through."""
    upto = min(last, after + LOOKED_THROUGH)
    found = db.execute(
        "SELECT pos, received_at, source, type, user_key, message_id, body FROM log WHERE pos > ?1 AND pos <= ?2"
        " AND type IN (SELECT value FROM json_each(?3)) AND NOT EXISTS"
        " (SELECT 1 FROM parked p WHERE p.part = ?4 AND p.destination = ?5 AND p.pos = log.pos) AND NOT EXISTS"
        " (SELECT 1 FROM parked p WHERE p.part = ?4 AND p.destination = ?5 AND p.origin = log.pos AND p.origin <> 0)"
        " ORDER BY pos LIMIT ?6",
        (after, upto, key_list(types), PART, destination, limit),
    ).fetchall()
    rows = [LogRow(*values) for values in found]
    here = "d.part = ? AND d.destination = ? AND d.pos IN (SELECT value FROM json_each(?))"
    asked = (PART, destination, key_list([row.pos for row in rows]))
    kept = _that_fit(rows, dict(db.execute(f"SELECT d.pos, d.size FROM dead d WHERE {here}", asked)))
    if len(kept) == limit or len(kept) < len(rows):
        rows, upto = kept, kept[-1].pos
    asked = (PART, destination, key_list([row.pos for row in rows]))
    dead = db.execute(f"{DEAD} WHERE {here}", asked)
    late = db.execute(
        "SELECT pos FROM outcome WHERE part = ? AND destination = ? AND pos > ? AND pos <= ?",
        (PART, destination, after, upto),
    )
    return rows, {values[0]: DeadRow(*values) for values in dead}, frozenset(pos for (pos,) in late), upto


def _that_fit(rows: list[LogRow], sizes: Mapping[int, int]) -> list[LogRow]:
    """The first of these events, one at least, that take no more than is read at once. `sizes`: of the dead letters among them."""
    room = SLICE_BYTES
    for n, row in enumerate(rows):
        room -= sizes.get(row.pos, len(row.body))
        if room < 0:
            return rows[: max(1, n)]
    return rows


def tally(db: sqlite3.Connection, destination: str, after: int, last: int) -> tuple[dict[str, int], int]:
    """How many events of a span without a parked row came to each state here, "" for those that have no outcome; and how far it has
    counted."""
    upto = min(last, after + COUNTED)
    span = (PART, destination, after, upto)
    codes = {pos: 0 for (pos,) in db.execute("SELECT pos FROM log WHERE pos > ? AND pos <= ?", (after, upto))}
    receipts = db.execute(
        "SELECT from_pos, codes FROM receipt WHERE part = ? AND destination = ? AND to_pos > ? AND to_pos <= ? AND from_pos <= ?",
        (PART, destination, after, upto + SPAN, upto),
    )
    for first, packed in receipts:
        codes |= {pos: code for pos, code in all_codes(first, packed) if code and pos in codes}
    late = db.execute(
        "SELECT pos, code FROM outcome WHERE part = ? AND destination = ? AND pos > ? AND pos <= ?", span
    ).fetchall()
    codes |= {pos: code for pos, code in late if pos in codes}
    for column in ("pos", "origin"):
        waiting = db.execute(
            f"SELECT {column} FROM parked WHERE part = ? AND destination = ? AND {column} > ? AND {column} <= ? AND {column} <> 0",
            span,  # the last condition lets SQLite use the index of origins
        )
        for (pos,) in waiting:
            codes.pop(pos, None)
    states = dict(db.execute("SELECT code, state FROM code"))
    return Counter(states.get(code, "") for code in codes.values()), upto


def filtered(db: sqlite3.Connection, destination: str, positions: Sequence[int]) -> frozenset[int]:
    """Those of these settled events that were filtered."""
    codes = {code for (code,) in db.execute("SELECT code FROM code WHERE state = 'filtered'")}
    return frozenset(
        pos
        for pos in positions
        if codes and (found := outcome_of(db, destination, pos)) is not None and found[0] in codes
    )
