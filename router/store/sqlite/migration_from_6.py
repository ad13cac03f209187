"""Schema 6 to 7: a dead letter says whether it is of a second sending, and the cursor counts what became of these. What waits of them is counted
when the destination is opened; of those that ended before nothing is counted."""

from __future__ import annotations

import sqlite3

NUMBER = "INTEGER NOT NULL DEFAULT 0"
ADDED = {
    "cursor": ("again_skipped", "again_filtered", "again_held", "again_retrying", "again_queued", "again_dead"),
    "dead": ("again",),
}


def from_6(db: sqlite3.Connection) -> None:
    """Inside the caller's transaction. A table that was rebuilt just now has the columns already."""
    for table, columns in ADDED.items():
        there = {row[1] for row in db.execute(f"PRAGMA table_info({table})")}
        for column in columns:
            if column not in there:
                db.execute(f"ALTER TABLE {table} ADD COLUMN {column} {NUMBER}")
