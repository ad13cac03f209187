"""The records of regulations. Runs in the writing thread, inside the caller's transaction; `read_*` in any connection's."""

from __future__ import annotations

import os
import sqlite3

import msgspec

from router.store.regulation import Regulation, Step
from router.store.rows import PART


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


def finish(db: sqlite3.Connection, regulation: Regulation, now_ms: int) -> None:
    """It is done."""
    regulation.step, regulation.finished_at = Step.DONE, now_ms
    write(db, regulation)


def read_suppressed(db: sqlite3.Connection) -> list[tuple[bytes, bytes]]:
    """(hash, hash of the person it belongs to) of all who are suppressed."""
    return db.execute("SELECT hash, owner FROM suppressed WHERE part = ?", (PART,)).fetchall()


def suppress(db: sqlite3.Connection, rows: list[tuple[bytes, bytes]], now_ms: int) -> None:
    """Add to them."""
    db.executemany("INSERT OR REPLACE INTO suppressed VALUES (?, ?, ?, ?)", [(PART, *row, now_ms) for row in rows])


def unsuppress(db: sqlite3.Connection, owners: list[bytes]) -> None:
    """Take these people off the list, with their anonymousIds."""
    for column in ("hash", "owner"):
        db.executemany(f"DELETE FROM suppressed WHERE part = ? AND {column} = ?", [(PART, one) for one in owners])
