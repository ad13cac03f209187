"""How much of a destination waits, and for what: held events and their users by reason. Read-only."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable

from router.store.rows import PART, Waits

PAGE = 5_000
"""Lanes that are counted in one go: 3 ms."""


def count_page(db: sqlite3.Connection, destination: str, after: str) -> tuple[list[Waits], str | None]:
    """Of the next lanes behind a user key, those that hold something and wait for it, by reason. And the last lane looked at, None for the end."""
    rows = db.execute(
        "SELECT reason, sum(held), sum(held > 0), min(iif(held > 0, held_since, NULL)), max(user_key), count(*) FROM"
        " (SELECT user_key, reason, iif(need <> '', held, 0) AS held, held_since FROM lane WHERE part = ? AND destination = ? AND user_key > ?"
        "  ORDER BY user_key LIMIT ?) GROUP BY reason",
        (PART, destination, after, PAGE),
    ).fetchall()
    found = [Waits(reason, events, users, since) for reason, events, users, since, _, _ in rows if users]
    looked_at = sum(count for *_, count in rows)
    return found, max(last for *_, last, _ in rows) if looked_at == PAGE else None


def add_up(pages: Iterable[Waits]) -> list[Waits]:
    """One for each reason, that with the most events first."""
    total: dict[str, Waits] = {}
    for one in pages:
        before = total.get(one.reason, Waits(one.reason, 0, 0, one.since))
        events, users = before.events + one.events, before.users + one.users
        total[one.reason] = Waits(one.reason, events, users, min(before.since, one.since))
    return sorted(total.values(), key=lambda one: (-one.events, one.reason))


def describe(waits: list[Waits], now_ms: int) -> dict[str, dict[str, float]]:
    """As the admin API gives it: `{"group_unknown": {"events": 3, "users": 2, "oldest_s": 86400.0}}`."""
    return {
        one.reason: {
            "events": one.events, "users": one.users, "oldest_s": max(0.0, (now_ms - one.since) / 1000),
        }
        for one in waits
    }  # fmt: skip
