"""Why calls that got a 200 are nowhere."""

from __future__ import annotations

import sqlite3
from typing import Any

from router.clock import to_iso
from router.store.rows import PART

PAGE = 100

CHOSEN = "part = :part AND at >= :since AND (:source IS NULL OR source = :source)"


def discards(db: sqlite3.Connection, source: str | None, since_ms: int) -> dict[str, Any]:
    """Counts by source and code, and the newest ones. `since` is when the counts begin.

    Args:
        source: only those of this source; None for all.
        since_ms: only those from then on, counted as entries that are kept; 0 for all there ever were, counted as calls and requests.
    """
    chosen = {"part": PART, "source": source, "since": since_ms}
    counted = "SELECT source, code, n FROM discard_count WHERE part = :part AND (:source IS NULL OR source = :source)"
    begins = _made_at(db)
    if since_ms:
        counted = f"SELECT source, code, count(*) FROM discard WHERE {CHOSEN} GROUP BY source, code"
        begins = max(since_ms, _kept_since(db))
    counts: dict[str, dict[str, int]] = {}
    for name, code, n in db.execute(counted, chosen):
        counts.setdefault(name, {})[code] = n
    newest = db.execute(
        f"SELECT at, source, code, message, message_id, type, excerpt FROM discard WHERE {CHOSEN} ORDER BY id DESC LIMIT {PAGE}",
        chosen,
    )
    names = ("source", "code", "message", "message_id", "type", "excerpt")
    items = [{"at": to_iso(at), **dict(zip(names, rest, strict=True))} for at, *rest in newest]
    return {"since": to_iso(begins) if begins else None, "counts": counts, "items": items}


def discards_by_day(db: sqlite3.Connection, source: str | None, since_ms: int) -> list[dict[str, Any]]:
    """How many entries are kept of each day (UTC), source and code, the newest day first. The first day may be kept in part."""
    counted = (
        f"SELECT date(at / 1000, 'unixepoch') AS day, source, code, count(*) AS n FROM discard WHERE {CHOSEN}"
        " GROUP BY day, source, code ORDER BY day DESC, n DESC, source, code"
    )
    rows = db.execute(counted, {"part": PART, "source": source, "since": since_ms})
    return [dict(zip(("day", "source", "code", "entries"), row, strict=True)) for row in rows]


def _made_at(db: sqlite3.Connection) -> int:
    """When the store was made; 0 where it does not say so."""
    row = db.execute("SELECT value FROM meta WHERE key = 'made_at'").fetchone()
    return int(row[0]) if row else 0


def _kept_since(db: sqlite3.Connection) -> int:
    """From when on every entry is still there; 0 where none was removed."""
    first = db.execute("SELECT id, at FROM discard ORDER BY id LIMIT 1").fetchone()
    return first[1] if first and first[0] > 1 else 0
