"""The newest calls of the log with what became of them at a destination, and which libraries sent those of a source."""

from __future__ import annotations

import sqlite3
from typing import Any

from router.event import Call
from router.store.library_counts import libraries_told
from router.store.sqlite.queries.fates import fate_of


def newest_calls(db: sqlite3.Connection, destination: str, most: int) -> list[tuple[Call, str, str]]:
    """So many calls, newest first, each with its state and reason at a destination. Not those from before it began,
    nor those of which a forgetting left nothing."""
    rows = db.execute(
        "SELECT source, type, message_id, user_key, received_at, body, pos FROM log ORDER BY pos DESC LIMIT ?", (most,)
    ).fetchall()
    found = []
    for *columns, pos in rows:
        if columns[-1] and (fate := fate_of(db, destination, pos)) is not None:
            found.append((Call(*columns), fate["state"], fate["reason"]))
    return found


def clients(db: sqlite3.Connection, source: str, most: int) -> dict[str, Any]:
    """Which libraries sent the newest events of a source, among so many of all sources."""
    rows = db.execute("SELECT source, received_at, body FROM log ORDER BY pos DESC LIMIT ?", (most,))
    return libraries_told(rows, source)
