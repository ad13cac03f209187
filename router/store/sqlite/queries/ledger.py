"""The ledger: how many events each destination has brought to which end. The seven always add up to what was accepted."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Any

from router.store.ledger_words import HOW_MANY, LEDGER_COLUMNS, NONE_RELEASED, counts_told
from router.store.rows import PART
from router.store.sqlite.queries.waits import released, timers_of


def ledger(db: sqlite3.Connection, destinations: Sequence[str], now_ms: int) -> dict[str, Any]:
    """Counts of all that was accepted, and of each of these destinations that has a cursor."""
    head, duplicates, discarded, clock = db.execute(
        "SELECT pos, duplicates, discarded, clock FROM head WHERE part = ?", (PART,)
    ).fetchone()
    answer: dict[str, Any] = {"accepted": head, "duplicates": duplicates, "discarded": discarded, "destinations": {}}
    for name in destinations:
        row = db.execute(
            f"SELECT {LEDGER_COLUMNS} FROM cursor WHERE part = ? AND destination = ?", (PART, name)
        ).fetchone()
        if row is None:
            continue
        told = counts_told(row, head, released(db, name) if any(row[:HOW_MANY]) else NONE_RELEASED)
        if told["queued"]:
            told["oldest_queued_s"] = _oldest_queued_s(db, told["cursor"], max(clock, now_ms))
        answer["destinations"][name] = told | timers_of(db, name)
    return answer


def _oldest_queued_s(db: sqlite3.Connection, pos: int, now: int) -> float:
    """Age of the oldest event that is neither settled nor parked for a reason of its own."""
    first = db.execute("SELECT received_at FROM log WHERE pos > ? ORDER BY pos LIMIT 1", (pos,)).fetchone()
    return max(0.0, (now - first[0]) / 1000) if first else 0.0
