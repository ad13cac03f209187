"""Schema 3 to 4: tables that are new. They are empty in a store that comes from before."""

from __future__ import annotations

import sqlite3

ADDED = (
    "CREATE TABLE IF NOT EXISTS consent (part INTEGER NOT NULL, user_key TEXT NOT NULL, categories BLOB NOT NULL,"
    " denied_at INTEGER NOT NULL, PRIMARY KEY (part, user_key)) WITHOUT ROWID",
    "CREATE INDEX IF NOT EXISTS consent_denied ON consent (part, denied_at, user_key) WHERE denied_at > 0",
)


def from_3(db: sqlite3.Connection) -> None:
    """Inside the caller's transaction."""
    for statement in ADDED:
        db.execute(statement)
