"""The group calls that do not count as settled at a destination. Runs in a reading connection's thread."""

from __future__ import annotations

import sqlite3

import msgspec

from router.store.rows import PART, GroupCallRow

_json = msgspec.json.decode


def group_calls(db: sqlite3.Connection, destination: str) -> list[GroupCallRow]:
    """The group calls that do not supply at this destination."""
    rows = db.execute(
        "SELECT pos, user_key, group_id, missing, NOT EXISTS (SELECT 1 FROM parked p WHERE p.part = s.part"
        " AND p.destination = s.destination AND p.pos = s.pos) FROM supply s WHERE part = ? AND destination = ?",
        (PART, destination),
    ).fetchall()
    return [
        GroupCallRow(pos, key, group_id, tuple(_json(missing)), bool(dead))
        for pos, key, group_id, missing, dead in rows
    ]
