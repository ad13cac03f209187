"""Keyed state and timers. Each function runs in a reading connection's thread."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from router.store.rows import PART
from router.store.sqlite.event_columns import key_list


def load(db: sqlite3.Connection, destination: str, state_keys: Sequence[str]) -> dict[str, bytes]:
    """The values of those of these keys that have one, as JSON."""
    rows = db.execute(
        "SELECT key, value FROM state WHERE part = ? AND destination = ? AND key IN (SELECT value FROM json_each(?))",
        (PART, destination, key_list(state_keys)),
    )
    return dict(rows.fetchall())


def due_timers(db: sqlite3.Connection, destination: str, now_ms: int, limit: int) -> list[tuple[str, int, str]]:
    """Timers whose time has come: (state key, due, user key)."""
    return db.execute(
        "SELECT key, due_at, user_key FROM timer WHERE part = ? AND destination = ? AND due_at <= ? ORDER BY due_at LIMIT ?",
        (PART, destination, now_ms, limit),
    ).fetchall()


def next_timer(db: sqlite3.Connection, destination: str, after_ms: int) -> int | None:
    """When the next timer is due, later than this."""
    row = db.execute(
        "SELECT min(due_at) FROM timer WHERE part = ? AND destination = ? AND due_at > ?", (PART, destination, after_ms)
    ).fetchone()
    return None if row[0] is None else int(row[0])
