"""How much waits at each destination now: what is looked up once a minute for the plots."""

from __future__ import annotations

from collections.abc import Sequence

from router.store.postgres.block_reads import Blocks
from router.store.postgres.database import Connection
from router.store.postgres.queries.ledger import ledger
from router.store.postgres.row_reads import accepted_at

MOST_PARKED = 20_000
"""Parked rows among which the oldest one is looked for that is not held."""

PEOPLE = (
    "SELECT destination, count(*) FROM lane WHERE part = 0 AND destination = ANY($1::text[]) AND held > 0 AND need <> ''"
    " GROUP BY destination"
)
"""Counted in the index that finds what expires."""
OLDEST = (
    "SELECT d.name, min(p.pos) FROM unnest($1::text[]) AS d (name) CROSS JOIN LATERAL (SELECT pos, state FROM parked WHERE part = 0"
    " AND destination = d.name AND pos > 0 ORDER BY pos LIMIT $2) p WHERE p.state <> 'held' GROUP BY d.name"
)


async def samples(
    connection: Connection, blocks: Blocks, destinations: Sequence[str], now_ms: int
) -> dict[str, dict[str, float]]:
    """By destination: held events and their people, and the age in seconds of the oldest event that is neither settled nor held."""
    rows = (await ledger(connection, blocks, destinations, now_ms))["destinations"]
    holding = [name for name, row in rows.items() if row["held"]]
    people = dict(await connection.fetch(PEOPLE, holding)) if holding else {}
    oldest = await _oldest_parked(connection, blocks, [name for name, row in rows.items() if row["retrying"]])
    found: dict[str, dict[str, float]] = {}
    for name, row in rows.items():
        oldest_s = max(row["oldest_queued_s"], (now_ms - oldest[name]) / 1000 if name in oldest else 0.0)
        found[name] = {
            "held_people": people.get(name, 0),
            "held_events": row["held"],
            "oldest_s": round(oldest_s, 1),
        }
    return found


async def _oldest_parked(connection: Connection, blocks: Blocks, names: list[str]) -> dict[str, int]:
    """By destination when the oldest event was accepted that is tried again."""
    at = dict(await connection.fetch(OLDEST, names, MOST_PARKED)) if names else {}
    events = await accepted_at(connection, blocks, set(at.values()))
    return {name: events[pos].received_at for name, pos in at.items() if pos in events}
