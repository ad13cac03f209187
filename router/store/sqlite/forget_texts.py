"""Erase texts that name a person: what a vendor answered, excerpts of calls that could not be used. A vendor's answer to a batch
may name anybody in it, so all of these texts are looked through. Runs in the writing thread; `find` in a reading one's.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable

from router.store.names_in_texts import Names
from router.store.rows import PART

GONE = "(forgotten)"
TEXTS = {
    "discard": ("message_id", "message", "excerpt"),
    "attempt": ("error", "request"),
    "dead": ("detail",),
}
"""Tables, and their columns of somebody's words."""
LEFT = {
    "discard": "''",
    "attempt": "''",
    "dead": f"substr('{GONE}' || printf('%*s', length(detail), ''), 1, length(detail))",
}
"""What is put in their place. A dead letter keeps its length: its size is counted."""
ROW = {"discard": "id", "attempt": "rowid", "dead": "destination, pos"}

Found = dict[str, list[tuple[object, ...]]]
"""By table: what tells its rows apart."""


def find(db: sqlite3.Connection, keys: Iterable[str]) -> Found:
    """The rows with a text that names one of these people."""
    names = Names(keys)
    found: Found = {}
    for table, columns in TEXTS.items():
        key = ROW[table]
        width = key.count(",") + 1
        for row in db.execute(f"SELECT {key}, {', '.join(columns)} FROM {table} WHERE part = ?", (PART,)):
            if any(names.are_in(text) for text in row[width:]):
                found.setdefault(table, []).append(row[:width])
    return found


def erase(db: sqlite3.Connection, found: Found) -> int:
    """Empty these texts. Returns in how many rows."""
    for table, rows in found.items():
        sets = ", ".join(f"{column} = {LEFT[table]}" for column in TEXTS[table])
        where = " AND ".join(f"{column} = ?" for column in ROW[table].split(", "))
        db.executemany(f"UPDATE {table} SET {sets} WHERE part = ? AND {where}", [(PART, *row) for row in rows])
    return sum(map(len, found.values()))
