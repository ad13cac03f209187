"""The counts of a destination beside its rows, read as of one instant."""

from __future__ import annotations

from router.store import ledger_check
from router.store.postgres import row_reads
from router.store.postgres.block_reads import Blocks
from router.store.postgres.database import Connection
from router.store.postgres.scope import Scope
from router.store.rows import LedgerCounts

COUNTS = """
SELECT h.pos, u.start, u.pos, u.ahead, u.delivered, u.skipped, u.filtered, u.held, u.retrying, u.dead, u.letters,
  p.held, p.retrying, p.queued, (SELECT count(*) FROM dead WHERE {here})
FROM unit u JOIN head h USING (part), (
  SELECT count(*) FILTER (WHERE state = 'held') AS held, count(*) FILTER (WHERE state = 'retrying') AS retrying,
    count(*) FILTER (WHERE state = 'queued') AS queued FROM parked WHERE {here} AND pos > 0
) p WHERE u.part = 0 AND u.destination = $1 AND u.shard = $2
"""
BYTES = (
    "SELECT letter_bytes, coalesce((SELECT sum(size) FROM dead WHERE {here}), 0)::bigint FROM unit"
    " WHERE part = 0 AND destination = $1 AND shard = $2"
)
PARKED = "SELECT CASE origin WHEN 0 THEN pos ELSE origin END FROM parked WHERE part = 0 AND destination = $1"
HAS_FLOORS = "SELECT bool_or(floors <> '') FROM unit WHERE part = 0 AND destination = $1"
AT_ONCE = 500
"""Events whose bodies are in memory together."""


OF_ROWS = frozenset({"held", "retrying", "letters"})
"""Counters that follow from rows alone. How many events of its own a shard has had nobody knows, so the others are left as they are."""


async def miscounts(connection: Connection, blocks: Blocks, scope: Scope) -> dict[str, int]:
    """By how much the counters of the ledger must change to agree with the rows. Bytes are added up where the numbers differ: that reads
    every event."""
    destination, share = scope
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        row = await connection.fetchrow(COUNTS.format(here=scope.here), destination, share.shard)
        changes = ledger_check.miscounts(LedgerCounts(*row)) if row else {}  # None: it was forgotten meanwhile
        if share.shards > 1 or await connection.fetchval(HAS_FLOORS, destination):
            changes = {name: n for name, n in changes.items() if name in OF_ROWS}
        if changes:
            letter_bytes, size_of_letters = await connection.fetchrow(
                BYTES.format(here=scope.here), destination, share.shard
            )
            changes["letter_bytes"] = size_of_letters - letter_bytes
        if changes and share.shards == 1:
            changes["parked_bytes"] = await _parked_bytes(connection, blocks, destination)
    return {name: n for name, n in changes.items() if n}


async def _parked_bytes(connection: Connection, blocks: Blocks, destination: str) -> int:
    """By how much they must change."""
    positions = [found[0] for found in await connection.fetch(PARKED, destination)]
    size = 0
    for start in range(0, len(positions), AT_ONCE):
        some = positions[start : start + AT_ONCE]
        events = await row_reads.events_of(connection, blocks, destination, some)
        size += sum([len(events[pos].body) for pos in some if pos in events])
    counted = await connection.fetchval(
        "SELECT parked_bytes FROM unit WHERE part = 0 AND destination = $1", destination
    )
    return int(size - counted)
