"""The events that parked rows and dead letters refer to. They stand in the log; what is trimmed from there while a row still refers
to it moves into `kept`, one copy for all destinations, and goes with the last reference. Runs in the writing thread.

Measured, 1 kB bodies: a held event takes 0.2 kB beside its place in the log, in place of 1.4.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable

from router.store.commit_batch import CommitBatch
from router.store.forgotten import NOBODY
from router.store.rows import PART, DeadRow, ParkedRow

Hash = Callable[[str, str], int]
"""(source, message id) -> keyed 64-bit hash."""

REFERRED = (
    "EXISTS (SELECT 1 FROM cursor c WHERE c.part = :part AND ("
    "EXISTS (SELECT 1 FROM parked p WHERE p.part = :part AND p.destination = c.destination AND p.pos = :pos)"
    " OR EXISTS (SELECT 1 FROM parked p WHERE p.part = :part AND p.destination = c.destination AND p.origin = :pos"
    " AND p.origin <> 0)"
    " OR EXISTS (SELECT 1 FROM dead d WHERE d.part = :part AND d.destination = c.destination AND d.pos = :pos)))"
)
"""Whether a row of any destination refers to an event."""
TOLD = (
    "EXISTS (SELECT 1 FROM cursor c JOIN outcome o ON o.part = c.part AND o.destination = c.destination"
    " WHERE c.part = :part AND o.pos = :pos)"
)
"""Whether it is told what became of an event."""


def log_begins(db: sqlite3.Connection) -> int:
    """The first position that is not trimmed."""
    row = db.execute("SELECT coalesce((SELECT min(pos) FROM log), (SELECT pos + 1 FROM head WHERE part = ?))", (PART,))
    return int(row.fetchone()[0])


def of_rows_that_go(db: sqlite3.Connection, step: CommitBatch) -> list[int]:
    """What the rows refer to that a step deletes: positions of trimmed events, and of what timers returned (below 0)."""
    gone = [*step.unpark, *step.undead]
    if not gone:
        return []
    first, found = log_begins(db), [pos for pos in gone if pos < 0]
    for pos in step.unpark:
        if pos < 0:
            key = (PART, step.destination, pos)
            row = db.execute("SELECT origin FROM parked WHERE part = ? AND destination = ? AND pos = ?", key).fetchone()
            gone += row or ()
    return found + [pos for pos in gone if 0 < pos < first]


def keep(db: sqlite3.Connection, step: CommitBatch, hash_of: Hash) -> None:
    """Store the events themselves of a step's new rows that are in no log: not any more, or never."""
    rows: list[ParkedRow | DeadRow] = [*step.park.values(), *step.dead]
    if not rows:
        return
    first = log_begins(db)
    trimmed, woken = [], []
    for row in rows:
        pos = (row.origin if isinstance(row, ParkedRow) else 0) or row.pos
        if pos < 0:
            woken.append((PART, step.destination, pos, row.received_at, row.source, row.type, row.message_id, row.body))
        elif pos < first:
            hashed = hash_of(row.source, row.message_id)
            values = (row.received_at, row.source, row.type, row.user_key, row.message_id, row.body)
            trimmed.append((PART, pos, hashed, *values))
    if woken:
        db.executemany("INSERT OR REPLACE INTO woken VALUES (?, ?, ?, ?, ?, ?, ?, ?)", woken)
    if trimmed:
        db.executemany(
            "INSERT INTO kept VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (pos) DO UPDATE SET body = excluded.body"
            " WHERE body IS NULL",
            trimmed,
        )


def let_go(db: sqlite3.Connection, destination: str, positions: Iterable[int]) -> None:
    """Drop those of these events that no row refers to any more."""
    for pos in dict.fromkeys(positions):
        if pos < 0:
            db.execute(
                "DELETE FROM woken WHERE part = ?1 AND destination = ?2 AND pos = ?3"
                " AND NOT EXISTS (SELECT 1 FROM parked WHERE part = ?1 AND destination = ?2 AND pos = ?3)"
                " AND NOT EXISTS (SELECT 1 FROM dead WHERE part = ?1 AND destination = ?2 AND pos = ?3)",
                (PART, destination, pos),
            )
        else:
            _let_go_kept(db, pos)


def _let_go_kept(db: sqlite3.Connection, pos: int) -> None:
    values = {"part": PART, "pos": pos}
    referred, told = db.execute(f"SELECT {REFERRED}, {TOLD}", values).fetchone()
    if told and not referred:
        db.execute("UPDATE kept SET body = NULL WHERE pos = :pos AND body IS NOT NULL", values)
    elif not referred:
        db.execute("DELETE FROM kept WHERE pos = :pos", values)


def keep_trimmed(
    db: sqlite3.Connection, after: int, last: int, told_from_ms: int, most_bytes: int, hash_of: Hash
) -> int:
    """Copy what is still referred to out of a span of the log that goes, and the facts without the body of what was settled
    since `told_from_ms`. Returns how far: less than `last` where that is more than `most_bytes`."""
    referred, told = _referred_in(db, after, last, told_from_ms)
    size = 0
    for pos in sorted(referred):
        values = _logged(db, pos)
        size += len(values[5])
        row = _kept(pos, hash_of, values, body=values[5])
        db.execute("INSERT OR REPLACE INTO kept VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", row)
        if size >= most_bytes:
            last = pos
            break
    left = [(pos, _logged(db, pos)) for pos in sorted(told - referred) if pos <= last]
    rows = [_kept(pos, hash_of, values, body=None) for pos, values in left if values[3] != NOBODY]
    db.executemany("INSERT OR REPLACE INTO kept VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", rows)
    return last


def _referred_in(db: sqlite3.Connection, after: int, last: int, told_from_ms: int) -> tuple[set[int], set[int]]:
    referred: set[int] = set()
    told: set[int] = set()
    for (destination,) in db.execute("SELECT destination FROM cursor WHERE part = ?", (PART,)).fetchall():
        span = (PART, destination, after, last)
        for sql in (
            "SELECT pos FROM parked WHERE part = ? AND destination = ? AND pos > ? AND pos <= ?",
            "SELECT origin FROM parked WHERE part = ? AND destination = ? AND origin > ? AND origin <= ? AND origin <> 0",
            "SELECT pos FROM dead WHERE part = ? AND destination = ? AND pos > ? AND pos <= ?",
        ):
            referred.update(pos for (pos,) in db.execute(sql, span))
        sql = "SELECT pos FROM outcome WHERE part = ? AND destination = ? AND pos > ? AND pos <= ? AND at >= ?"
        told.update(pos for (pos,) in db.execute(sql, (*span, told_from_ms)))
    return referred, told


Logged = tuple[int, str, str, str, str, bytes]
"""(received_at, source, type, user_key, message_id, body)"""


def _logged(db: sqlite3.Connection, pos: int) -> Logged:
    row: Logged = db.execute(
        "SELECT received_at, source, type, user_key, message_id, body FROM log WHERE pos = ?", (pos,)
    ).fetchone()
    return row


def _kept(pos: int, hash_of: Hash, values: Logged, *, body: bytes | None) -> tuple[object, ...]:
    _, source, _, _, message_id, _ = values
    return (PART, pos, hash_of(source, message_id), *values[:5], body)


def sweep(db: sqlite3.Connection, after: int, limit: int) -> int | None:
    """Look at some kept events behind a position, whether a row still refers to them. Returns how far; None: to the end."""
    found = db.execute("SELECT pos FROM kept WHERE pos > ? ORDER BY pos LIMIT ?", (after, limit)).fetchall()
    for (pos,) in found:
        _let_go_kept(db, pos)
    return found[-1][0] if len(found) == limit else None
