"""Which destinations have still to read the log: those that some process has configured. Nobody trims what these have not read; a destination that
was removed for longer than the retention goes on where the log begins."""

from __future__ import annotations

from collections.abc import Iterable

from router.store.outcome_blocks import pack_ahead, unpack_ahead
from router.store.postgres.database import Connection
from router.store.rows import Unit

WANTED_MS = 600_000
"""For so long after a process said so a destination counts as configured; and so long nobody trims who has not heard the others yet."""


async def want(connection: Connection, destinations: Iterable[str], now_ms: int) -> None:
    """These are configured here. In the order of their names: two processes never wait for each other in a circle."""
    await connection.execute(
        "INSERT INTO wanted AS w SELECT 0, name, $2 FROM unnest($1::text[]) AS name ON CONFLICT (part, destination)"
        " DO UPDATE SET until = greatest(w.until, excluded.until)",
        sorted(destinations), now_ms + WANTED_MS,
    )  # fmt: skip


async def come_back(connection: Connection, unit: Unit) -> int:
    """A cursor beyond the head would pass events that are still to come. Inside the transaction that opens the unit. Returns how far beyond
    it stood."""
    here = "part = $1 AND destination = $2 AND shard = $3"
    pos, bitmap = await connection.fetchrow(f"SELECT pos, ahead FROM unit WHERE {here}", *unit)
    head = await connection.fetchval("SELECT pos FROM head WHERE part = 0")
    ahead = unpack_ahead(pos, bitmap)
    beyond = max([pos, *ahead]) - head
    if beyond <= 0:
        return 0
    left = pack_ahead(min(pos, head), (position for position in ahead if position <= head))
    await connection.execute(f"UPDATE unit SET pos = $4, ahead = $5 WHERE {here}", *unit, min(pos, head), left)
    return int(beyond)


async def skip_trimmed(connection: Connection, unit: Unit) -> int:
    """Go on where the log begins now. The events in between are dead, without a letter: there is nothing left of them. Inside the transaction
    that opens the unit, in which it is wanted already. Returns how many that were."""
    trimmed = await connection.fetchval("SELECT pos FROM trim WHERE part = 0 FOR SHARE")
    here = "part = $1 AND destination = $2 AND shard = $3"
    pos, bitmap = await connection.fetchrow(f"SELECT pos, ahead FROM unit WHERE {here}", *unit)
    if trimmed <= pos:
        return 0
    ahead = unpack_ahead(pos, bitmap)
    missed = int(trimmed - pos - sum(1 for position in ahead if position <= trimmed))
    left = pack_ahead(trimmed, (position for position in ahead if position > trimmed))
    sql = f"UPDATE unit SET pos = $4, ahead = $5, dead = dead + $6 WHERE {here}"
    await connection.execute(sql, *unit, trimmed, left, missed)
    return missed
