"""Schema 2 to 3: a receipt and a late outcome tell the attempt that delivered the event. Those written before tell of none."""

from __future__ import annotations

import sqlite3

ADDED = {"receipt": "tried BLOB NOT NULL DEFAULT x''", "outcome": "tried INTEGER NOT NULL DEFAULT 0"}


def from_2(db: sqlite3.Connection) -> None:
    """Inside the caller's transaction. A table that was rebuilt just now has the column already."""
    for table, column in ADDED.items():
        if "tried" not in {row[1] for row in db.execute(f"PRAGMA table_info({table})")}:
            db.execute(f"ALTER TABLE {table} ADD COLUMN {column}")
