"""The counts of a destination beside its rows, read as of one instant. Runs in a reading connection's thread."""

from __future__ import annotations

import sqlite3

from router.store import ledger_check
from router.store.rows import PART, LedgerCounts
from router.store.sqlite.event_columns import PARKED

COUNTS = """
SELECT h.pos, c.start, c.pos, c.ahead, c.delivered, c.skipped, c.filtered, c.held, c.retrying, c.dead, c.letters,
  p.held, p.retrying, p.queued,
  (SELECT count(*) FROM dead d INDEXED BY dead_by_age WHERE d.part = c.part AND d.destination = c.destination)
FROM cursor c JOIN head h USING (part), (
  SELECT coalesce(sum(state = 'held'), 0) AS held, coalesce(sum(state = 'retrying'), 0) AS retrying,
    coalesce(sum(state = 'queued'), 0) AS queued FROM parked WHERE part = ?1 AND destination = ?2 AND pos > 0
) p WHERE c.part = ?1 AND c.destination = ?2
"""
PARKED_BYTES = f"SELECT coalesce(sum(length(body)), 0) FROM ({PARKED} WHERE p.part = ?1 AND p.destination = ?2)"
LETTER_BYTES = "SELECT coalesce(sum(size), 0) FROM dead WHERE part = ?1 AND destination = ?2"


def miscounts(db: sqlite3.Connection, destination: str) -> dict[str, int]:
    """By how much the counters of the ledger must change to agree with the rows. Bytes are added up where the numbers differ: that reads
    every event."""
    asked = (PART, destination)
    db.execute("BEGIN")
    try:
        row = db.execute(COUNTS, asked).fetchone()  # None: it was forgotten meanwhile
        changes = ledger_check.miscounts(LedgerCounts(*row)) if row else {}
        if changes:
            sql = "SELECT parked_bytes, letter_bytes FROM cursor WHERE part = ?1 AND destination = ?2"
            parked_bytes, letter_bytes = db.execute(sql, asked).fetchone()
            changes["parked_bytes"] = db.execute(PARKED_BYTES, asked).fetchone()[0] - parked_bytes
            changes["letter_bytes"] = db.execute(LETTER_BYTES, asked).fetchone()[0] - letter_bytes
    finally:
        db.execute("COMMIT")
    return {name: n for name, n in changes.items() if n}
