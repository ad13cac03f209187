"""Who waits for a group at a destination, and for what."""

from __future__ import annotations

import sqlite3
from typing import Any

from router.clock import to_iso
from router.event import show_user_key
from router.store.rows import PART
from router.store.sqlite.queries.fates import fate_of, message_id_at
from router.store.sqlite.queries.waits import released

PAGE = 100


def held(db: sqlite3.Connection, destination: str, user_key: str | None, after: str) -> dict[str, Any]:
    """Users whose events wait, a page at a time, or this one. Not those whose events were released and have not gone out yet."""
    total = db.execute("SELECT held FROM cursor WHERE part = ? AND destination = ?", (PART, destination)).fetchone()
    rows = db.execute(
        "SELECT user_key, reason, group_id, held, held_since, refused_pos FROM lane WHERE part = ? AND destination = ? AND held > 0 AND need <> ''"
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
            **_refused(db, destination, refused_pos),
        }
        for key, reason, group_id, events, since, refused_pos in rows[:PAGE]
    ]
    n = max(0, total[0] - released(db, destination)) if total and total[0] else 0
    return {"held": n, "users": users, "next": rows[PAGE - 1][0] if len(rows) > PAGE else None}


def _refused(db: sqlite3.Connection, destination: str, pos: int) -> dict[str, Any]:
    """The group call that the vendor refused, where that is why the user waits: `{"refused": {"message_id", "reason", "at"}}`."""
    if not pos:
        return {}
    fate, message_id = fate_of(db, destination, pos) or {}, message_id_at(db, destination, pos)
    return {"refused": {"message_id": message_id, "reason": fate.get("reason"), "at": fate.get("at")}}
