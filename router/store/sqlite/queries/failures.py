"""Why events of a destination are dead or retrying, in the words of who refused them: the newest ones."""

from __future__ import annotations

import sqlite3
from typing import Any

from router.clock import to_iso
from router.store.rows import PART

EVENTS = "coalesce(l.message_id, k.message_id, w.message_id)"
DEAD = (
    f"SELECT d.at, d.reason, d.detail, {EVENTS}, (SELECT a.status FROM attempt a INDEXED BY attempt_of_event WHERE a.part = d.part"
    " AND a.destination = d.destination AND a.pos = d.pos ORDER BY a.rowid DESC LIMIT 1) FROM"
    " (SELECT * FROM dead WHERE part = :part AND destination = :destination ORDER BY at DESC LIMIT :most) d"
    " LEFT JOIN log l ON l.pos = d.pos LEFT JOIN kept k ON k.pos = d.pos"
    " LEFT JOIN woken w ON w.part = d.part AND w.destination = d.destination AND w.pos = d.pos ORDER BY d.at DESC"
)
RETRYING = (
    "SELECT a.at, a.reason, a.error, coalesce(l.message_id, k.message_id), a.status FROM"
    " (SELECT user_key FROM lane INDEXED BY lane_for_due WHERE part = :part AND destination = :destination AND mode = 'retry'"
    "  AND due_at IS NOT NULL ORDER BY due_at DESC LIMIT :most) u"
    " CROSS JOIN parked p INDEXED BY parked_in_order ON p.part = :part AND p.destination = :destination"
    "  AND p.user_key = u.user_key AND p.queue = 'main' AND p.state = 'retrying'"
    " JOIN attempt a ON a.rowid = (SELECT max(n.rowid) FROM attempt n INDEXED BY attempt_of_event WHERE n.part = :part"
    "  AND n.destination = :destination AND n.pos = iif(p.origin = 0, p.pos, p.origin))"
    " LEFT JOIN log l ON l.pos = iif(p.origin = 0, p.pos, p.origin) LEFT JOIN kept k ON k.pos = iif(p.origin = 0, p.pos, p.origin)"
    " LIMIT :most"
)


def failures(db: sqlite3.Connection, destination: str, most: int) -> list[dict[str, Any]]:
    """The newest dead letters, and of retrying events the last attempt of each, newest first; so many in all at most."""
    values = {"part": PART, "destination": destination, "most": most}
    found = [_row("dead", *row) for row in db.execute(DEAD, values)]
    found += [_row("retrying", *row) for row in db.execute(RETRYING, values)]
    return sorted(found, key=lambda one: str(one["at"]), reverse=True)[:most]


def _row(state: str, at: int, reason: str, words: str, message_id: str | None, status: int | None) -> dict[str, Any]:
    return {
        "state": state, "reason": reason, "status": status, "words": words, "message_id": message_id, "at": to_iso(at),
    }  # fmt: skip


def dead_reasons(db: sqlite3.Connection, destination: str, most: int) -> list[dict[str, Any]]:
    """Dead letters by reason, the most frequent first: of so many at most, found in an index alone."""
    rows = db.execute(
        "SELECT reason, count(*), min(at), max(at) FROM (SELECT reason, at FROM dead INDEXED BY dead_by_reason WHERE part = ?"
        " AND destination = ? LIMIT ?) GROUP BY reason ORDER BY 2 DESC, 1",
        (PART, destination, most),
    )
    return [{"reason": reason, "count": n, "first": to_iso(a), "last": to_iso(b)} for reason, n, a, b in rows]
