"""How much waits at each destination now: what is looked up once a minute for the plots."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from router.store.rows import PART
from router.store.sqlite.queries.ledger import ledger

MOST_PARKED = 20_000
"""Parked rows among which the oldest one is looked for that is not held."""


def samples(db: sqlite3.Connection, destinations: Sequence[str], now_ms: int) -> dict[str, dict[str, float]]:
    """By destination: held events and their people, and the age in seconds of the oldest event that is neither settled nor held."""
    found: dict[str, dict[str, float]] = {}
    for name, row in ledger(db, destinations, now_ms)["destinations"].items():
        oldest_s: float = row["oldest_queued_s"]
        if row["retrying"] and (at := _oldest_parked(db, name)) is not None:
            oldest_s = max(oldest_s, (now_ms - at) / 1000)
        people = _held_people(db, name) if row["held"] else 0
        found[name] = {"held_people": people, "held_events": row["held"], "oldest_s": round(oldest_s, 1)}
    return found


def _held_people(db: sqlite3.Connection, destination: str) -> int:
    """Counted in the index that finds what expires, without a look at the rows."""
    here = "part = ? AND destination = ? AND held > 0 AND need <> ''"
    return int(db.execute(f"SELECT count(*) FROM lane WHERE {here}", (PART, destination)).fetchone()[0])


def _oldest_parked(db: sqlite3.Connection, destination: str) -> int | None:
    row = db.execute(
        "SELECT coalesce(l.received_at, k.received_at) FROM (SELECT pos, state FROM parked WHERE part = ? AND destination = ?"
        " AND pos > 0 ORDER BY pos LIMIT ?) p LEFT JOIN log l ON l.pos = p.pos LEFT JOIN kept k ON k.pos = p.pos"
        " WHERE p.state <> 'held' ORDER BY p.pos LIMIT 1",
        (PART, destination, MOST_PARKED),
    ).fetchone()
    return row[0] if row else None
