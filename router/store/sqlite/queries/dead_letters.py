"""Dead letters, a page at a time."""

from __future__ import annotations

import sqlite3
from typing import Any

from router.clock import to_iso
from router.event import show_user_key
from router.store.rows import PART, DeadLetterFilter
from router.store.sqlite.dead_letter_reads import letters_of
from router.store.sqlite.queries.fates import attempts_of

PAGE = 100
LETTERS = (
    "SELECT d.pos, coalesce(l.message_id, k.message_id, w.message_id, ''), coalesce(l.type, k.type, w.type, ''), d.user_key, d.at,"
    " d.reason, d.detail FROM dead d LEFT JOIN log l ON l.pos = d.pos LEFT JOIN kept k ON k.pos = d.pos"
    " LEFT JOIN woken w ON w.part = d.part AND w.destination = d.destination AND w.pos = d.pos"
)


def dead_letters(
    db: sqlite3.Connection, destination: str, which: DeadLetterFilter, after: int | None
) -> dict[str, Any]:
    """Dead letters of this kind behind a position, a page at a time."""
    counts = db.execute(
        "SELECT dead + again_dead, letters, letter_bytes FROM cursor WHERE part = ? AND destination = ?",
        (PART, destination),
    ).fetchone()
    dead, letters, size = counts or (0, 0, 0)
    behind = -(1 << 62) if after is None else after
    rows = db.execute(*letters_of(LETTERS, destination, which, behind, PAGE + 1)).fetchall()
    items = [
        {
            "message_id": message_id,
            "type": type_,
            "user": show_user_key(key),
            "at": to_iso(at),
            "reason": why,
            "detail": detail,
            "attempts": attempts_of(db, destination, pos),
        }
        for pos, message_id, type_, key, at, why, detail in rows[:PAGE]
    ]
    of_timers = "SELECT count(*) FROM dead WHERE part = ? AND destination = ? AND pos < 0"
    [n_of_timers] = db.execute(of_timers, (PART, destination)).fetchone()
    more = rows[PAGE - 1][0] if len(rows) > PAGE else None
    return {
        "dead": dead, "kept": letters, "kept_of_timers": n_of_timers, "kept_bytes": size, "items": items, "next": more,
    }  # fmt: skip
