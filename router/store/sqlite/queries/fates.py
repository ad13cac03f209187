"""State, reason and attempts of one event at one destination, from its row, its outcome row or the receipt of its commit."""

from __future__ import annotations

import sqlite3
from typing import Any

from router.clock import to_iso
from router.store.fate_words import (
    TOLD_ATTEMPTS,
    Fate,
    attempts_told,
    letter_fate,
    parked_fate,
    queued_fate,
    with_second,
)
from router.store.rows import PART, Tried
from router.store.sqlite.outcome_reads import outcome_of
from router.vocabulary import FOREVER_MS

LETTER = "SELECT reason, detail, at, again FROM dead WHERE part = ? AND destination = ? AND pos = ?"
PARKED = (
    "SELECT p.state, p.reason, p.parked_at, l.reason, l.need FROM parked p LEFT JOIN lane l USING (part, destination, user_key)"
    " WHERE p.part = ? AND p.destination = ? AND {}"
)
Outcome = tuple[int, int, Tried | None] | None
"""What `outcome_of` finds."""


def fate_of(db: sqlite3.Connection, destination: str, pos: int) -> dict[str, Any] | None:
    """State, reason and time of one event at one destination; None where it began later."""
    return _fate(db, destination, pos, outcome_of(db, destination, pos))


def fate_and_attempts(db: sqlite3.Connection, destination: str, pos: int) -> dict[str, Any] | None:
    """The same with its attempts."""
    found = outcome_of(db, destination, pos)
    fate = _fate(db, destination, pos, found)
    return {**fate, "attempts": _attempts(db, destination, pos, found)} if fate is not None else None


def attempts_of(db: sqlite3.Connection, destination: str, pos: int) -> list[dict[str, Any]]:
    """The newest attempts of an event, oldest first: those with a row, and the one that is packed beside its outcome."""
    return _attempts(db, destination, pos, outcome_of(db, destination, pos))


def _fate(db: sqlite3.Connection, destination: str, pos: int, found: Outcome) -> Fate | None:
    cursor = db.execute(
        "SELECT start, state FROM cursor WHERE part = ? AND destination = ?", (PART, destination)
    ).fetchone()
    start, state = cursor or (FOREVER_MS, None)
    here = (PART, destination, pos)
    letter = db.execute(LETTER, here).fetchone()
    dead = letter_fate(*letter[:3]) if letter else None
    if dead and not letter[3]:
        return dead
    if row := db.execute(PARKED.format("p.pos = ?"), here).fetchone():
        return parked_fate(state, *row)
    again = db.execute(PARKED.format("p.origin = ? AND p.origin <> 0"), here).fetchone()
    second = parked_fate(state, *again) if again else dead
    own = _settled(db, found) if found else queued_fate(state) if pos > start else None
    return with_second(own, second, is_older=pos <= start)


def _settled(db: sqlite3.Connection, found: tuple[int, int, Tried | None]) -> Fate:
    code, at, _ = found
    state, reason = db.execute("SELECT state, reason FROM code WHERE code = ?", (code,)).fetchone()
    return {"state": state, "reason": reason, "at": to_iso(at)}


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
