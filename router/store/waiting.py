"""How much of a destination waits, and for what: held events and their users by reason. Read-only."""

from __future__ import annotations

import sqlite3

from router.store import PART, Waits


def count_waiting(db: sqlite3.Connection, destination: str) -> list[Waits]:
    """One for each reason, that with the most events first. Reads each lane that holds something: 0.5 s for a million."""
    rows = db.execute(
        "SELECT reason, sum(held) AS events, count(*), min(held_since) FROM lane"
        " WHERE part = ? AND destination = ? AND held > 0 GROUP BY reason ORDER BY events DESC, reason",
        (PART, destination),
    )
    return [Waits(*row) for row in rows]


def describe(waits: list[Waits], now_ms: int) -> dict[str, dict[str, float]]:
    """As the admin API gives it: `{"group_unknown": {"events": 3, "users": 2, "oldest_s": 86400.0}}`."""
    return {
        one.reason: {
            "events": one.events, "users": one.users, "oldest_s": max(0.0, (now_ms - one.since) / 1000),
        }
        for one in waits
    }  # fmt: skip
