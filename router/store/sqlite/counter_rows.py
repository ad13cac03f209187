"""What was counted by minute and by hour: a ring of rows, so that a restart keeps it and it never grows beyond what is configured.

A row is one source or destination in one bucket. Minutes are kept for 48 hours, hours for 90 days.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping

import msgspec

from router.counts import Counted, Counts
from router.store.rows import COUNTED_SPANS, PART


def add(db: sqlite3.Connection, at_ms: int, counted: Mapping[Counted, Counts], now_ms: int) -> None:
    """Add to the buckets of this instant, and let go of what is too old."""
    for span_s, kept_s in COUNTED_SPANS.items():
        begin = bucket(at_ms, span_s)
        for whom, counts in counted.items():
            _add_to_row(db, (PART, span_s, *whom, begin), counts)
        db.execute("DELETE FROM counted WHERE part = ? AND span = ? AND at < ?", (PART, span_s, now_ms - 1000 * kept_s))


def _add_to_row(db: sqlite3.Connection, key: tuple[int, int, str, str, int], counts: Counts) -> None:
    sql = "SELECT counts FROM counted WHERE part = ? AND span = ? AND kind = ? AND name = ? AND at = ?"
    row = db.execute(sql, key).fetchone()
    if row is not None:
        there = msgspec.json.decode(row[0], type=Counts)
        there.add(counts)
        counts = there
    db.execute("INSERT OR REPLACE INTO counted VALUES (?, ?, ?, ?, ?, ?)", (*key, msgspec.json.encode(counts)))


def bucket(at_ms: int, span_s: int) -> int:
    """When the bucket of an instant begins (ms)."""
    return at_ms - at_ms % (1000 * span_s)


def counted(
    db: sqlite3.Connection, span_s: int, since_ms: int, kind: str | None, name: str | None
) -> list[tuple[int, Counted, Counts]]:
    """Buckets that begin at or after an instant, oldest first: (when, whose, counts). None: of all kinds, or names."""
    where, values = "part = ? AND span = ? AND at >= ?", [PART, span_s, since_ms]
    given = [(column, value) for column, value in (("kind", kind), ("name", name)) if value is not None]
    where += "".join(f" AND {column} = ?" for column, _ in given)
    rows = db.execute(
        f"SELECT at, kind, name, counts FROM counted WHERE {where} ORDER BY at",
        (*values, *(value for _, value in given)),
    )
    decode = msgspec.json.Decoder(Counts).decode
    return [(at, Counted(kind, name), decode(text)) for at, kind, name, text in rows]
