"""The records of regulations. Runs in the writing thread, inside the caller's transaction; `read_*` in any connection's."""

from __future__ import annotations

import os
import sqlite3

import msgspec

from router.store.regulation import Regulation, Step
from router.store.rows import PART
from router.store.suppressions import HASH_BYTES, Suppressions

MEMBERS = "members:"
"""Before the id of a regulation: where its members are."""


def add_key(db: sqlite3.Connection) -> None:
    """The key of the hashes of people, if the store has none yet. It goes with the store wherever that is copied."""
    db.execute("INSERT OR IGNORE INTO meta VALUES ('people_key', ?)", (os.urandom(32),))


def read_one(db: sqlite3.Connection, regulation_id: str) -> Regulation | None:
    """The regulation of this id."""
    row = db.execute("SELECT job FROM regulation WHERE part = ? AND id = ?", (PART, regulation_id)).fetchone()
    return None if row is None else msgspec.json.decode(row[0], type=Regulation)


def read_newest(db: sqlite3.Connection, limit: int) -> list[Regulation]:
    """The newest ones, newest first."""
    sql = "SELECT job FROM regulation WHERE part = ? ORDER BY created_at DESC, id DESC LIMIT ?"
    return [msgspec.json.decode(job, type=Regulation) for (job,) in db.execute(sql, (PART, limit))]


def read_under_way(db: sqlite3.Connection) -> list[Regulation]:
    """Those that are not done, oldest first."""
    sql = "SELECT job FROM regulation WHERE part = ? AND json_extract(job, '$.step') <> ? ORDER BY created_at, id"
    return [msgspec.json.decode(job, type=Regulation) for (job,) in db.execute(sql, (PART, Step.DONE))]


def write(db: sqlite3.Connection, regulation: Regulation) -> None:
    """Put it, or replace it."""
    values = (PART, regulation.id, regulation.created_at, msgspec.json.encode(regulation))
    db.execute("INSERT OR REPLACE INTO regulation VALUES (?, ?, ?, ?)", values)


def members(db: sqlite3.Connection, regulation_id: str) -> list[str]:
    """Who belonged to its groups. Beside the record, which is written with each slice: a group may have 100,000 members."""
    row = db.execute("SELECT value FROM meta WHERE key = ?", (MEMBERS + regulation_id,)).fetchone()
    return [] if row is None else msgspec.json.decode(row[0], type=list[str])


def add_members(db: sqlite3.Connection, regulation_id: str, found: list[str]) -> None:
    """Note these, too."""
    value = msgspec.json.encode([*dict.fromkeys([*members(db, regulation_id), *found])])
    db.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (MEMBERS + regulation_id, value))


def drop_members(db: sqlite3.Connection, regulation_id: str) -> None:
    """Nobody asks for them any more."""
    db.execute("DELETE FROM meta WHERE key = ?", (MEMBERS + regulation_id,))


def suppressions(db: sqlite3.Connection) -> Suppressions:
    """Who is suppressed."""
    secret = db.execute("SELECT value FROM meta WHERE key = 'people_key'").fetchone()[0]
    rows = db.execute("SELECT hash, owner FROM suppressed WHERE part = ?", (PART,))
    return Suppressions(secret, [(hashed, owner) for hashed, owners in rows for owner in _people(owners)])


def suppress(db: sqlite3.Connection, rows: list[tuple[bytes, bytes]], now_ms: int) -> None:
    """Add to them."""
    for hashed, owner in rows:
        found = db.execute("SELECT owner, at FROM suppressed WHERE part = ? AND hash = ?", (PART, hashed)).fetchone()
        owners, at = found or (b"", now_ms)
        if owner not in _people(owners):
            db.execute("INSERT OR REPLACE INTO suppressed VALUES (?, ?, ?, ?)", (PART, hashed, owners + owner, at))


def unsuppress(db: sqlite3.Connection, people: list[bytes]) -> None:
    """Take these people off the list, with their anonymousIds, unless one belongs to somebody else on it."""
    gone = set(people)
    for hashed, owners in db.execute("SELECT hash, owner FROM suppressed WHERE part = ?", (PART,)).fetchall():
        left = b"" if hashed in gone else b"".join(owner for owner in _people(owners) if owner not in gone)
        if not left:
            db.execute("DELETE FROM suppressed WHERE part = ? AND hash = ?", (PART, hashed))
        elif left != owners:
            db.execute("UPDATE suppressed SET owner = ? WHERE part = ? AND hash = ?", (left, PART, hashed))


def _people(owners: bytes) -> list[bytes]:
    return [owners[at : at + HASH_BYTES] for at in range(0, len(owners), HASH_BYTES)]
