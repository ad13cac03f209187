"""Who waits for a group at a destination, and for what."""

from __future__ import annotations

import sqlite3
from typing import Any

from router.clock import to_iso
from router.event import show_user_key
from router.store.rows import PART
from router.store.sqlite.queries.waits import group_calls_of, released

PAGE = 100


def held(db: sqlite3.Connection, destination: str, user_key: str | None, after: str) -> dict[str, Any]:
    """Users whose events wait, a page at a time, or this one, each with the calls that did not open the gate (`group_calls_of`). Not those
    whose events were released and have not gone out yet."""
    sql = "SELECT held + again_held FROM cursor WHERE part = ? AND destination = ?"
    total = db.execute(sql, (PART, destination)).fetchone()
    rows = db.execute(
        "SELECT user_key, need, also, reason, group_id, held, held_since, refused_pos FROM lane WHERE part = ? AND destination = ? AND held > 0 AND need <> ''"
        " AND user_key > ? AND (? IS NULL OR user_key = ?) ORDER BY user_key LIMIT ?",
        (PART, destination, after, user_key, user_key, PAGE + 1),
    ).fetchall()
    users = [
        {
            "user": show_user_key(key),
            "waiting_for": reason,
            "group_id": group_id or None,
            "events": events,
            "since": to_iso(since),
            **group_calls_of(db, destination, (need, also), reason, group_id, refused_pos),
        }
        for key, need, also, reason, group_id, events, since, refused_pos in rows[:PAGE]
    ]
    n = max(0, total[0] - sum(released(db, destination))) if total and total[0] else 0
    return {"held": n, "users": users, "next": rows[PAGE - 1][0] if len(rows) > PAGE else None}
