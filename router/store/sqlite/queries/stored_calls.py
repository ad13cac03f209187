"""The log from an instant on, a page at a time: for who looks through all of it beside the daemon."""

from __future__ import annotations

import sqlite3

from router.event import Call
from router.store.sqlite.log_reads import last_before

PAGE = 2_000
"""Positions that one reading looks through: a long one would keep the WAL from being reused."""


def calls(db: sqlite3.Connection, after: int, source: str | None, since_ms: int) -> tuple[list[Call], int]:
    """The calls behind a position, and where to go on; 0: that was all."""
    after = after or last_before(db, since_ms)
    rows = db.execute(
        "SELECT pos, source, type, message_id, user_key, received_at, body FROM log WHERE pos > ? ORDER BY pos LIMIT ?",
        (after, PAGE),
    ).fetchall()
    found = [Call(*row[1:]) for row in rows if source is None or row[1] == source]
    return found, rows[-1][0] if len(rows) == PAGE else 0
