"""The place of a destination in the log: taken at its start, taken up again after an absence, given up for good. Each function
is one transaction of its own in the writing thread."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from router.store import EVERY, PART, CursorRow, Status
from router.store.receipts import pack_ahead, unpack_ahead

HERE = "part = ? AND destination = ?"
TABLES = (
    "cursor", "lane", "parked", "dead", "supply", "opening", "receipt", "outcome", "attempt", "state", "timer", "replay",
)  # fmt: skip
"""Every table that has rows of a destination."""


def open_cursor(db: sqlite3.Connection, destination: str, mode: str, now_ms: int) -> CursorRow:
    """The destination's cursor, created at the head of the log where there is none."""
    with _transaction(db):
        added = db.execute(
            "INSERT OR IGNORE INTO cursor (part, destination, start, pos, ahead, state_since, mode)"
            " SELECT part, ?, pos, pos, x'', ?, ? FROM head WHERE part = ?",
            (destination, now_ms, mode, PART),
        ).rowcount
        _go_live(db, destination, mode)
        abandoned = _skip_trimmed(db, destination)
        start, pos, ahead, held, retrying, parked_bytes, letters, letter_bytes, *status = db.execute(
            "SELECT start, pos, ahead, held, retrying, parked_bytes, letters, letter_bytes, state, state_reason,"
            f" state_since, state_until, state_detail, stopped_ms FROM cursor WHERE {HERE}",
            (PART, destination),
        ).fetchone()
        held += db.execute(  # second sendings wait for groups, too, but are not counted as held
            f"SELECT count(*) FROM parked WHERE {HERE} AND pos < 0 AND state = 'held'", (PART, destination)
        ).fetchone()[0]
    return CursorRow(
        start, pos, unpack_ahead(pos, ahead), held, retrying, Status(*status), added == 1, parked_bytes, letters,
        letter_bytes, abandoned,
    )  # fmt: skip


def _go_live(db: sqlite3.Connection, destination: str, mode: str) -> None:
    """What a dry run remembered was never told to the vendor: state and timers begin anew."""
    before = db.execute(f"SELECT mode FROM cursor WHERE {HERE}", (PART, destination)).fetchone()[0]
    if before == mode:
        return
    if mode == "live":
        for table in ("state", "timer"):
            db.execute(f"DELETE FROM {table} WHERE {HERE}", (PART, destination))
    db.execute(f"UPDATE cursor SET mode = ? WHERE {HERE}", (mode, PART, destination))


def _skip_trimmed(db: sqlite3.Connection, destination: str) -> int:
    """A destination that was removed for longer than the retention goes on where the log begins now. The events it missed are
    dead, without a letter: there is nothing left of them. Returns how many."""
    first = db.execute("SELECT coalesce((SELECT min(pos) FROM log), (SELECT pos + 1 FROM head))").fetchone()[0]
    pos, bitmap = db.execute(f"SELECT pos, ahead FROM cursor WHERE {HERE}", (PART, destination)).fetchone()
    if first <= pos + 1:
        return 0
    ahead = unpack_ahead(pos, bitmap)
    missed = first - 1 - pos - sum(1 for position in ahead if position < first)
    left = {position for position in ahead if position >= first}
    db.execute(
        f"UPDATE cursor SET pos = ?, ahead = ?, dead = dead + ? WHERE {HERE}",
        (first - 1, pack_ahead(first - 1, left), missed, PART, destination),
    )
    return int(missed)


def rejudge(db: sqlite3.Connection, destination: str, gate: str) -> None:
    """Take down what the gate asks; where it asked something else before, all that waits for it is to be asked again."""
    with _transaction(db):
        values = (gate, PART, destination)
        changed = db.execute("UPDATE cursor SET gate = ?1 WHERE part = ?2 AND destination = ?3 AND gate <> ?1", values)
        if changed.rowcount and db.execute(f"SELECT 1 FROM lane WHERE {HERE} LIMIT 1", values[1:]).fetchone():
            db.execute("INSERT OR REPLACE INTO opening VALUES (?, ?, ?, '')", (PART, destination, EVERY))


def forget(db: sqlite3.Connection, destination: str) -> dict[str, int]:
    """Drop every row of a destination. Returns what it still had: held, retrying, queued, and kept dead letters."""
    with _transaction(db):
        row = db.execute(
            "SELECT c.held, c.retrying, h.pos - c.start - delivered - skipped - filtered - held - retrying - dead, letters"
            " FROM cursor c JOIN head h USING (part) WHERE c.part = ? AND c.destination = ?",
            (PART, destination),
        ).fetchone()
        for table in TABLES:
            db.execute(f"DELETE FROM {table} WHERE {HERE}", (PART, destination))
    return dict(zip(("held", "retrying", "queued", "dead"), row or (0, 0, 0, 0), strict=True))


@contextmanager
def _transaction(db: sqlite3.Connection) -> Iterator[None]:
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:  # else SQLite has taken it back already, as it does with some faults of the disk
            db.execute("ROLLBACK")
        raise
