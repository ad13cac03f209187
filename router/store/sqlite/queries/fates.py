"""State, reason and attempts of one event at one destination, from its row, its outcome row or the receipt of its commit."""

from __future__ import annotations

import sqlite3
from typing import Any

from router.clock import to_iso
from router.store.fate_words import TOLD_ATTEMPTS, attempts_told, parked_fate, queued_fate
from router.store.rows import PART, Tried
from router.store.sqlite.outcome_reads import outcome_of

Outcome = tuple[int, int, Tried | None] | None
"""What `outcome_of` finds."""


def fate_of(db: sqlite3.Connection, destination: str, pos: int) -> dict[str, Any] | None:
    """State, reason and time of one event at one destination; None where it began later."""
    return _stays(db, destination, pos) or _settled(db, destination, pos, outcome_of(db, destination, pos))


def fate_and_attempts(db: sqlite3.Connection, destination: str, pos: int) -> dict[str, Any] | None:
    """The same with its attempts."""
    found = outcome_of(db, destination, pos)
    fate = _stays(db, destination, pos) or _settled(db, destination, pos, found)
    return {**fate, "attempts": _attempts(db, destination, pos, found)} if fate is not None else None


def attempts_of(db: sqlite3.Connection, destination: str, pos: int) -> list[dict[str, Any]]:
    """The newest attempts of an event, oldest first: those with a row, and the one that is packed beside its outcome."""
    return _attempts(db, destination, pos, outcome_of(db, destination, pos))


def _stays(db: sqlite3.Connection, destination: str, pos: int) -> dict[str, Any] | None:
    """The fate of an event that is dead or parked."""
    here = (PART, destination, pos)
    where = "part = ? AND destination = ? AND pos = ?"
    if row := db.execute(f"SELECT reason, detail, at FROM dead WHERE {where}", here).fetchone():
        return {"state": "dead", "reason": row[0], "detail": row[1], "at": to_iso(row[2])}
    parked = (
        "SELECT c.state, p.state, p.reason, p.parked_at, l.reason, l.need FROM parked p LEFT JOIN cursor c USING (part, destination)"
        " LEFT JOIN lane l USING (part, destination, user_key) WHERE p.part = ? AND p.destination = ? AND p.pos = ?"
    )
    if row := db.execute(parked, here).fetchone():
        return parked_fate(*row)
    return None


def _settled(db: sqlite3.Connection, destination: str, pos: int, found: Outcome) -> dict[str, Any] | None:
    """The fate of any other event."""
    if found:
        code, at, _ = found
        state, reason = db.execute("SELECT state, reason FROM code WHERE code = ?", (code,)).fetchone()
        return {"state": state, "reason": reason, "at": to_iso(at)}
    cursor = db.execute(
        "SELECT start, state FROM cursor WHERE part = ? AND destination = ?", (PART, destination)
    ).fetchone()
    if cursor is None or pos <= cursor[0]:
        return None
    return queued_fate(cursor[1])


def _attempts(db: sqlite3.Connection, destination: str, pos: int, found: Outcome) -> list[dict[str, Any]]:
    rows = db.execute(
        "SELECT at, duration_ms, status, error, reason, request FROM attempt WHERE part = ? AND destination = ? AND pos = ?"
        " ORDER BY rowid DESC LIMIT ?",
        (PART, destination, pos, TOLD_ATTEMPTS),
    )
    return attempts_told(rows, found[2] if found else None)


def message_id_at(db: sqlite3.Connection, destination: str, pos: int) -> str | None:
    """The message id of the event at a position, as long as anything is kept of it."""
    for sql, values in (
        ("SELECT message_id FROM log WHERE part = ? AND pos = ?", (PART, pos)),
        ("SELECT message_id FROM kept WHERE part = ? AND pos = ?", (PART, pos)),
        ("SELECT message_id FROM woken WHERE part = ? AND destination = ? AND pos = ?", (PART, destination, pos)),
        (
            "SELECT l.message_id FROM parked p JOIN log l ON l.pos = p.origin"
            " WHERE p.part = ? AND p.destination = ? AND p.pos = ?",
            (PART, destination, pos),
        ),
    ):
        if (row := db.execute(sql, values).fetchone()) and row[0] is not None:
            return str(row[0])
    return None
