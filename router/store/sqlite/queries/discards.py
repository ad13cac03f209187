"""Why calls that got a 200 are nowhere."""

from __future__ import annotations

import sqlite3
from typing import Any

from router.clock import to_iso
from router.store.rows import PART

PAGE = 100


def discards(db: sqlite3.Connection, of: str | None = None) -> dict[str, Any]:
    """Counts by source and code, and the newest ones; of one source or of all."""
    counts: dict[str, dict[str, int]] = {}
    for source, code, n in db.execute(
        "SELECT source, code, n FROM discard_count WHERE part = ? AND (? IS NULL OR source = ?)", (PART, of, of)
    ):
        counts.setdefault(source, {})[code] = n
    newest = db.execute(
        "SELECT at, source, code, message, message_id, type, excerpt FROM discard WHERE part = ?"
        " AND (? IS NULL OR source = ?) ORDER BY id DESC LIMIT ?",
        (PART, of, of, PAGE),
    )
    names = ("source", "code", "message", "message_id", "type", "excerpt")
    items = [{"at": to_iso(at), **dict(zip(names, rest, strict=True))} for at, *rest in newest]
    return {"counts": counts, "items": items}
