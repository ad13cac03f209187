"""The counts of a destination beside its rows, read as of one instant."""

from __future__ import annotations

from router.store import ledger_check
from router.store.postgres import row_reads
from router.store.postgres.block_reads import Blocks
from router.store.postgres.database import Connection
from router.store.rows import LedgerCounts

COUNTS = """
SELECT h.pos, u.start, u.pos, u.ahead, u.delivered, u.skipped, u.filtered, u.held, u.retrying, u.dead, u.letters,
  p.held, p.retrying, p.queued, (SELECT count(*) FROM dead WHERE part = 0 AND destination = $1)
FROM unit u JOIN head h USING (part), (
  SELECT count(*) FILTER (WHERE state = 'held') AS held, count(*) FILTER (WHERE state = 'retrying') AS retrying,
    count(*) FILTER (WHERE state = 'queued') AS queued FROM parked WHERE part = 0 AND destination = $1 AND pos > 0
) p WHERE u.part = 0 AND u.destination = $1
"""
BYTES = (
    "SELECT parked_bytes, letter_bytes, coalesce((SELECT sum(size) FROM dead WHERE part = 0 AND destination = $1), 0)::bigint FROM unit"
    " WHERE part = 0 AND destination = $1"
)
PARKED = "SELECT CASE origin WHEN 0 THEN pos ELSE origin END FROM parked WHERE part = 0 AND destination = $1"
AT_ONCE = 500
"""Events whose bodies are in memory together."""


async def miscounts(connection: Connection, blocks: Blocks, destination: str) -> dict[str, int]:
    """By how much the counters of the ledger must change to agree with the rows. Bytes are added up where the numbers differ: that reads
    every event."""
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        row = await connection.fetchrow(COUNTS, destination)  # None: it was forgotten meanwhile
        changes = ledger_check.miscounts(LedgerCounts(*row)) if row else {}
        if changes:
            parked_bytes, letter_bytes, size_of_letters = await connection.fetchrow(BYTES, destination)
            positions = [found[0] for found in await connection.fetch(PARKED, destination)]
            size = 0
            for start in range(0, len(positions), AT_ONCE):
                some = positions[start : start + AT_ONCE]
                events = await row_reads.events_of(connection, blocks, destination, some)
                size += sum([len(events[pos].body) for pos in some if pos in events])
            changes["parked_bytes"] = size - parked_bytes
            changes["letter_bytes"] = size_of_letters - letter_bytes
    return {name: n for name, n in changes.items() if n}
