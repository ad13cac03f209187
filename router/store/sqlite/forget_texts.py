"""Erase texts that name a person or one of their messages: what a vendor answered, excerpts of calls that could not be used. A vendor's answer
to a batch may name anybody in it, so all of these texts are looked through. Runs in the writing thread; `find` in a reading one's.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence

from router.store.names_in_texts import Names
from router.store.rows import PART
from router.store.sqlite import forget_log

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

SLICE = 500
"""Rows that one transaction changes."""

Found = tuple[str, tuple[object, ...]]
"""A table, and what tells its row apart."""


def find(db: sqlite3.Connection, keys: Iterable[str]) -> list[Found]:
    """The rows with a text that names one of these people."""
    names = Names(keys)
    found: list[Found] = []
    for table, columns in TEXTS.items():
        key = ROW[table]
        width = key.count(",") + 1
        for row in db.execute(f"SELECT {key}, {', '.join(columns)} FROM {table} WHERE part = ?", (PART,)):
            if any(names.are_in(text) for text in row[width:]):
                found.append((table, row[:width]))
    return found


def find_messages(db: sqlite3.Connection, positions: Sequence[int]) -> list[Found]:
    """The rows with a text that names the message of one of these events."""
    ids = forget_log.message_ids(db, positions)
    return find(db, [f"m:{one}" for one in ids]) if ids else []


def erase(db: sqlite3.Connection, found: Sequence[Found]) -> int:
    """Empty these texts. Returns in how many rows."""
    erased = 0
    for table, columns in TEXTS.items():
        sets = ", ".join(f"{column} = {LEFT[table]}" for column in columns)
        where = " AND ".join(f"{column} = ?" for column in ROW[table].split(", "))
        rows = [(PART, *row) for name, row in found if name == table]
        erased += db.executemany(f"UPDATE {table} SET {sets} WHERE part = ? AND {where}", rows).rowcount
    return erased
