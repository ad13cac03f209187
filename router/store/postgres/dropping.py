"""All that is kept of a destination goes, in slices."""

from __future__ import annotations

from router.store.postgres import counter_rows
from router.store.postgres.database import Connection
from router.store.postgres.summed import LEFT, SUMMED

HERE = "part = 0 AND destination = $1"
TABLES = (
    "lane", "parked", "dead", "supply", "opening", "receipt", "outcome", "attempt", "state", "timer", "replay", "disabled",
    "woken", "wanted", "configured",
)  # fmt: skip
"""Every table that has rows of a destination beside its unit."""
DROPPED = "forgotten"
"""State of a unit whose other rows are being dropped."""
SLICE = 5_000
"""Rows that are dropped in one transaction."""


async def drop_rows(connection: Connection, destination: str) -> None:
    """All of them, at once."""
    for table in (*TABLES, "unit"):
        await connection.execute(f"DELETE FROM {table} WHERE {HERE}", destination)


async def begin_to_drop(connection: Connection, destination: str) -> dict[str, int]:
    """From here on the destination's rows count for nothing, and nobody owns it. Returns what it had: held, retrying, queued, kept
    dead letters."""
    async with connection.transaction():
        row = await connection.fetchrow(
            f"SELECT {LEFT}, letters FROM {SUMMED} u JOIN head h USING (part) WHERE u.destination = $1",
            destination,
        )
        await connection.execute(f"UPDATE unit SET state = '{DROPPED}', epoch = epoch + 1 WHERE {HERE}", destination)
    return dict(zip(("held", "retrying", "queued", "dead"), row or (0, 0, 0, 0), strict=True))


async def drop_slice(connection: Connection, destination: str) -> bool:
    """Drop some of its rows, its unit at last. False: nothing is left."""
    async with connection.transaction():
        left = SLICE
        for table in TABLES:
            gone = f"SELECT ctid FROM {table} WHERE {HERE} LIMIT $2"
            told = await connection.execute(f"DELETE FROM {table} WHERE ctid = ANY(ARRAY({gone}))", destination, left)
            left -= int(told.rpartition(" ")[2])
            if left <= 0:
                return True
        await counter_rows.drop(connection, destination)
        await connection.execute(f"DELETE FROM unit WHERE {HERE}", destination)
    return False
