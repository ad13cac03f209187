"""What a settled event came to, from its own row or from the receipt of the commit that settled it."""

from __future__ import annotations

import sqlite3

from router.store.outcome_blocks import SPAN, code_at, tried_at, unpack_tried
from router.store.rows import PART, Tried


def outcome_of(db: sqlite3.Connection, destination: str, pos: int) -> tuple[int, int, Tried | None] | None:
    """(outcome code, when it was stored, the attempt that is packed beside it) of a settled event."""
    where = "part = ? AND destination = ? AND pos = ?"
    row = db.execute(f"SELECT code, at, tried FROM outcome WHERE {where}", (PART, destination, pos)).fetchone()
    if row is not None:
        return row[0], row[1], unpack_tried(row[2], row[1])
    for first, at, codes, tried in db.execute(
        "SELECT from_pos, at, codes, tried FROM receipt WHERE part = ? AND destination = ? AND to_pos BETWEEN ? AND ?"
        " AND from_pos <= ?",
        (PART, destination, pos, pos + SPAN, pos),
    ):
        if code := code_at(first, codes, pos):
            return code, at, tried_at(first, tried, pos, at)
    return None
