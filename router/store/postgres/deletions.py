"""What became of the deletions that a destination was asked for."""

from __future__ import annotations

from collections.abc import Sequence

from router.store.postgres.database import Connection
from router.store.regulation import deletions_of
from router.vocabulary import EventState


async def asked(connection: Connection, destination: str, regulation_id: str) -> list[int]:
    """Where the deletions of a regulation stand that wait or failed."""
    sql = (
        "SELECT pos FROM woken WHERE part = 0 AND destination = $1 AND type = 'forget' AND starts_with(message_id, $2)"
    )
    return [row[0] for row in await connection.fetch(sql, destination, deletions_of(regulation_id))]


async def states(connection: Connection, destination: str, positions: Sequence[int]) -> dict[int, tuple[str, str]]:
    """(state, reason) of each of these, by position. One of which nothing is told any more has ended."""
    found = dict.fromkeys(positions, (str(EventState.DELIVERED), ""))
    here = "part = 0 AND destination = $1 AND pos = ANY($2::bigint[])"
    for sql in (
        f"SELECT pos, state, reason FROM outcome JOIN code USING (code) WHERE {here}",
        f"SELECT pos, '{EventState.DEAD}', reason FROM dead WHERE {here}",
        f"SELECT pos, state, reason FROM parked WHERE {here}",
    ):
        found |= {row[0]: (row[1], row[2]) for row in await connection.fetch(sql, destination, list(positions))}
    return found
