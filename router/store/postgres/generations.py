"""Message ids in generations: a ring of tables, of which the oldest is emptied when its turn comes again. Deleting them one by one would cost
as much as storing them."""

from __future__ import annotations

from router.store.postgres.database import Connection

RING = 8
LEAST_MS = 3_600_000
"""A generation lasts this long at least."""


def lasts_ms(kept_ms: int) -> int:
    """How long a generation lasts where ids are kept for so long: one is filled, and seven are asked."""
    return max(LEAST_MS, kept_ms // (RING - 1))


async def is_due(connection: Connection, kept_ms: int, now_ms: int) -> bool:
    """Whether it is time for the next one."""
    sql = "SELECT opened_at FROM generation JOIN head ON g = generation WHERE part = 0"
    return bool(now_ms - await connection.fetchval(sql) >= lasts_ms(kept_ms))


async def empty_next(connection: Connection, kept_ms: int, now_ms: int) -> bool:
    """Empty the table that is filled next, if it is time for it. Nobody appends to it, so this is a transaction of its own: it waits for who reads
    the table, and the head row is not held meanwhile. Returns whether it did."""
    if not await is_due(connection, kept_ms, now_ms):
        return False
    generation = await connection.fetchval("SELECT generation FROM head WHERE part = 0")
    await connection.execute(f"TRUNCATE seen_{(generation + 1) % RING}")
    return True


async def turn(connection: Connection, now_ms: int) -> None:
    """Fill the table that was emptied. Inside a transaction. An append under way that has filled the old one is refused, and comes again."""
    generation = await connection.fetchval("SELECT generation FROM head WHERE part = 0 FOR UPDATE")
    await connection.execute("UPDATE generation SET closed_at = $2 WHERE g = $1", generation, now_ms)
    await connection.execute("INSERT INTO generation VALUES ($1, $2, NULL)", generation + 1, now_ms)
    await connection.execute("UPDATE head SET generation = $1 WHERE part = 0", generation + 1)
    await connection.execute("DELETE FROM generation WHERE g <= $1", generation + 1 - RING)
