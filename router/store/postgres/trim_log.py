"""Trim the log, block by block. First it is announced up to where: from then on commits keep themselves what their rows refer to. Then those are
waited for that may not have heard of it. Then the blocks go, and what rows still refer to moves into `kept` in the same transaction.

A crash between two of these leaves blocks below what was announced; the next slice begins with them.
"""

from __future__ import annotations

from collections.abc import Sequence

from router.store.blocks import unpack
from router.store.postgres import kept_events
from router.store.postgres.block_reads import BLOCK
from router.store.postgres.database import Connection

MOST_BLOCKS = 200
MOST_BYTES = 1_000_000
"""Bodies that one slice copies since rows still refer to them; one block at least."""
TOLD_LONGER_MS = 3_600_000
"""What became of an event is told for this much longer than the event is retained, or not at all then."""

BOUND = (
    "WITH kept AS (SELECT destination FROM unit u LEFT JOIN wanted w USING (part, destination) WHERE part = 0"
    " AND ($1::text[] IS NULL OR destination = ANY($1::text[]) OR w.until > $2))"
    " SELECT least((SELECT pos FROM head WHERE part = 0),"
    " (SELECT min(pos) FROM unit WHERE part = 0 AND destination IN (SELECT destination FROM kept)),"
    " (SELECT min(pos) FROM replay WHERE part = 0 AND state = 'running' AND kind = 'span' AND destination IN (SELECT destination FROM kept)))"
)
"""No event beyond it may go: a destination has still to read it."""


async def announce(connection: Connection, destinations: Sequence[str] | None, now_ms: int, before_ms: int) -> bool:
    """Say up to where the log is given up: older than an instant, and read by all destinations: these, None for all there are, and
    whichever some process wants. Inside a transaction. Returns whether there is anything to be removed."""
    trimmed = await connection.fetchval("SELECT pos FROM trim WHERE part = 0 FOR UPDATE")
    bound = await connection.fetchval(BOUND, None if destinations is None else list(destinations), now_ms)
    last = trimmed
    sql = "SELECT first, n, at FROM block WHERE part = 0 AND first > $1 ORDER BY first LIMIT $2"
    for first, n, at in await connection.fetch(sql, trimmed, MOST_BLOCKS):
        if first + n - 1 > bound or at >= before_ms:
            break
        last = first + n - 1
    if last > trimmed:
        await connection.execute("UPDATE trim SET pos = $1 WHERE part = 0", last)
    return bool(await connection.fetchval("SELECT true FROM block WHERE part = 0 AND first <= $1 LIMIT 1", last))


async def wait_for_commits(connection: Connection) -> None:
    """Until every commit has ended that may have read what was announced before. Inside a transaction of its own, which ends at once."""
    await connection.execute("SELECT pg_advisory_xact_lock($1)", kept_events.REFERENCES)


async def remove(connection: Connection, before_ms: int) -> int:
    """Remove some of the blocks that are given up, with all that is told of their events. Inside a transaction. Returns how many events."""
    spans = await connection.fetch(
        "SELECT first, n FROM block WHERE part = 0 AND first <= (SELECT pos FROM trim WHERE part = 0) ORDER BY first LIMIT $1 FOR UPDATE",
        MOST_BLOCKS,
    )
    if not spans:
        return 0
    after, last = spans[0][0] - 1, spans[-1][0] + spans[-1][1] - 1
    last = await _keep(
        connection, spans, *await kept_events.referred(connection, after, last, before_ms + TOLD_LONGER_MS)
    )
    await connection.execute("DELETE FROM block WHERE part = 0 AND first <= $1", last)
    await connection.execute("DELETE FROM erased WHERE part = 0 AND pos <= $1", last)
    # Also those of shards that there are no more.
    for name in await connection.fetch("SELECT DISTINCT destination FROM unit WHERE part = 0"):
        sql = "DELETE FROM receipt WHERE part = 0 AND destination = $1 AND to_pos <= $2"
        await connection.execute(sql, *name, last)
    return sum(n for first, n in spans if first <= last)


async def _keep(connection: Connection, spans: Sequence[tuple[int, int]], referred: set[int], told: set[int]) -> int:
    """Copy what is still referred to out of these blocks. Returns how far: not to the end where that is too much for one slice."""
    size = 0
    wanted = sorted(referred | told)
    for first, n in spans:
        last = first + n - 1
        if not any(first <= pos <= last for pos in wanted):
            continue
        record = await connection.fetchrow(f"SELECT {BLOCK} FROM block WHERE part = 0 AND first = $1", first)
        events = kept_events.of_block(unpack(*record), referred, told)
        if events:
            await kept_events.put(connection, events)
        size += sum(len(row.body) for row, with_body in events if with_body)
        if size >= MOST_BYTES:
            return last
    return spans[-1][0] + spans[-1][1] - 1
