"""What happened lately at each destination, and at each source: for the list of troubles. Everything is bounded, newest first."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from itertools import islice
from typing import Any

from router.clock import to_iso
from router.store.outcome_blocks import CODE_BYTES
from router.store.rows import PART
from router.store.sqlite.queries.fates import fate_of

HOUR_MS, DAY_MS = 3_600_000, 86_400_000
MOST_DEAD = 1_000
MOST_LET_GO = 10_000
MOST_RECEIPTS, MOST_OUTCOMES = 50, 1_000
MOST_PARKED = 1_000
MOST_CALLS = 100
"""Rows that are looked at, at each destination."""


def recent(db: sqlite3.Connection, destinations: Sequence[str], now_ms: int) -> dict[str, Any]:
    """By destination:

    - `dead_last_hour`: dead letters of the last hour, by reason, as far as MOST_DEAD;
    - `last_delivered_at`: an instant, None where nothing was delivered lately;
    - `last_held_at`, `last_let_go_at`: when an event was held, and when one that had waited was settled, within a day;
    - `group_calls_filtered`: group calls that were filtered, so that events wait for another one.

    And `discarded_today`: by source, calls since midnight UTC of those that are kept.
    """
    delivered = {code for (code,) in db.execute("SELECT code FROM code WHERE state = 'delivered'")}
    let_go = _let_go(db, now_ms - DAY_MS)
    return {
        "destinations": {
            name: {
                "dead_last_hour": _dead(db, name, now_ms - HOUR_MS),
                "last_delivered_at": _instant(_last_delivered(db, name, delivered)),
                "last_held_at": _instant(_last_held(db, name, now_ms - DAY_MS)),
                "last_let_go_at": _instant(let_go.get(name)),
                "group_calls_filtered": _filtered_calls(db, name),
            }
            for name in destinations
        },
        "discarded_today": _discarded(db, now_ms - now_ms % DAY_MS),
    }


def newest_of_sources(db: sqlite3.Connection, most: int) -> list[tuple[str, int]]:
    """(source, instant in ms) of the newest events, oldest first."""
    rows = db.execute("SELECT source, received_at FROM log ORDER BY pos DESC LIMIT ?", (most,)).fetchall()
    return rows[::-1]


def _instant(ms: int | None) -> str | None:
    return to_iso(ms) if ms else None


def _dead(db: sqlite3.Connection, destination: str, since: int) -> dict[str, int]:
    sql = (
        "SELECT reason, count(*) FROM (SELECT reason FROM dead INDEXED BY dead_by_age WHERE part = ? AND destination = ?"
        " AND at >= ? LIMIT ?) GROUP BY reason"
    )
    return dict(db.execute(sql, (PART, destination, since, MOST_DEAD)).fetchall())


def _last_delivered(db: sqlite3.Connection, destination: str, delivered: set[int]) -> int | None:
    rows = db.execute(
        "SELECT at, codes FROM receipt WHERE part = ? AND destination = ? ORDER BY to_pos DESC LIMIT ?",
        (PART, destination, MOST_RECEIPTS),
    )
    found = list(islice((at for at, codes in rows if _has_any(codes, delivered)), 1))  # the newest one
    late = db.execute(
        "SELECT at, code FROM (SELECT at, code, destination FROM outcome INDEXED BY outcome_for_trim ORDER BY at DESC LIMIT ?)"
        " WHERE destination = ?",
        (MOST_OUTCOMES, destination),
    )
    found += [at for at, code in late if code in delivered]
    return max(found, default=None)


def _has_any(packed: bytes, codes: set[int]) -> bool:
    return any(
        int.from_bytes(packed[at : at + CODE_BYTES], "little") in codes for at in range(0, len(packed), CODE_BYTES)
    )


def _last_held(db: sqlite3.Connection, destination: str, since: int) -> int | None:
    row = db.execute(
        "SELECT max(parked_at) FROM (SELECT parked_at, state FROM parked WHERE part = ? AND destination = ? AND pos > 0"
        " ORDER BY pos DESC LIMIT ?) WHERE state = 'held' AND parked_at >= ?",
        (PART, destination, MOST_PARKED, since),
    ).fetchone()
    return row[0] if row else None


def _let_go(db: sqlite3.Connection, since: int) -> dict[str, int]:
    """By destination when an event that had waited was settled last."""
    return dict(
        db.execute(
            "SELECT destination, max(at) FROM (SELECT destination, at FROM outcome INDEXED BY outcome_for_trim WHERE at >= ?"
            " ORDER BY at DESC LIMIT ?) GROUP BY destination",
            (since, MOST_LET_GO),
        ).fetchall()
    )


def _filtered_calls(db: sqlite3.Connection, destination: str) -> int:
    rows = db.execute(
        "SELECT pos FROM supply WHERE part = ? AND destination = ? ORDER BY pos DESC LIMIT ?",
        (PART, destination, MOST_CALLS),
    ).fetchall()
    fates = (fate_of(db, destination, pos) for (pos,) in rows)
    return sum(fate is not None and fate["state"] == "filtered" for fate in fates)


def _discarded(db: sqlite3.Connection, since: int) -> dict[str, int]:
    """A thousandth of a second for all 10,000 that are kept."""
    sql = "SELECT source, count(*) FROM discard WHERE part = ? AND at >= ? GROUP BY source"
    return dict(db.execute(sql, (PART, since)).fetchall())
