"""The latest consent of users, where it is followed: one row per user, with what each category says and since when."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence

from router.store import preferences
from router.store.preferences import Preferences
from router.store.rows import PART

SLICE = 5_000
"""Rows that go in one transaction where consent is followed no more."""

READ = "SELECT categories FROM consent WHERE part = ? AND user_key = ?"
NEWEST = "SELECT max(denied_at) FROM consent WHERE part = ? AND denied_at > 0"
LINKED = "SELECT user_key FROM link WHERE part = ? AND anonymous_key = ? ORDER BY pos DESC LIMIT 1"


def read(db: sqlite3.Connection, user_key: str) -> Preferences:
    """What is known of a user."""
    found = db.execute(READ, (PART, user_key)).fetchone()
    return preferences.decode(found[0]) if found else {}


def tell(db: sqlite3.Connection, user_key: str, pos: int, told: Mapping[str, bool]) -> None:
    """A user says this as of a position. Nothing is written where they say what they said before."""
    changed = preferences.told(read(db, user_key), pos, told)
    if changed is not None:
        _write(db, user_key, changed)


def take_over(db: sqlite3.Connection, from_key: str, user_key: str, pos: int) -> None:
    """A user takes over what the key said that has become theirs at this position, of each category the newest. What it denied the
    user denies from here on."""
    changed = preferences.taken_over(read(db, from_key), read(db, user_key), pos)
    if changed is not None:
        _write(db, user_key, changed)


def _write(db: sqlite3.Connection, user_key: str, row: Preferences) -> None:
    values = (PART, user_key, preferences.encode(row), preferences.denied_at(row))
    db.execute("INSERT OR REPLACE INTO consent VALUES (?, ?, ?, ?)", values)


def drop_slice(db: sqlite3.Connection) -> bool:
    """Drop some rows. False: there are none left."""
    keys = "SELECT user_key FROM consent WHERE part = ? LIMIT ?"
    gone = db.execute(f"DELETE FROM consent WHERE part = ? AND user_key IN ({keys})", (PART, PART, SLICE))
    return gone.rowcount == SLICE


# ---------------------------------------------------------------- asked by destinations


def denied(db: sqlite3.Connection, asks: Sequence[tuple[str, int]]) -> dict[tuple[str, int], frozenset[str]]:
    """For each (user key, position) the categories that the user denies by now, if any, where the newest of these denials stands
    behind the position. An anonymousId also denies what its user has denied later."""
    db.execute("BEGIN")
    try:
        newest = db.execute(NEWEST, (PART,)).fetchone()[0] or 0
        rows = {key: _denials(db, key) for key in {key for key, pos in asks if pos < newest}}
        return {
            (key, pos): frozenset(rows[key])
            for key, pos in asks
            if pos < newest and max(rows[key].values(), default=0) > pos
        }
    finally:
        db.execute("COMMIT")


def _denials(db: sqlite3.Connection, key: str) -> dict[str, int]:
    linked = db.execute(LINKED, (PART, key)).fetchone() if key.startswith("a:") else None
    return preferences.denials(read(db, key), read(db, linked[0]) if linked else {})


def withdrawals(db: sqlite3.Connection, after: int, upto: int, limit: int) -> list[tuple[int, str]]:
    """(position, user key) of those whose newest denial stands in a span of the log, in order."""
    return db.execute(
        "SELECT denied_at, user_key FROM consent WHERE part = ? AND denied_at > 0 AND denied_at > ? AND denied_at <= ?"
        " ORDER BY denied_at, user_key LIMIT ?",
        (PART, after, upto, limit),
    ).fetchall()
