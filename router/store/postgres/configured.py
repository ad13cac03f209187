"""What nodes have configured of each destination, one after the other. The newest is in force: only nodes that have it deliver."""

from __future__ import annotations

from collections.abc import Mapping

from router.store.cluster_rows import ConfiguredRow
from router.store.postgres.database import Connection

LOCK = 0x5E67_0003
"""Of the advisory lock under which one process at a time brings its configuration."""
KEPT = 100
"""Of each destination. What was in force longer ago is new where somebody brings it again."""

NEWEST = "SELECT hash, number, node, at FROM configured c WHERE c.part = 0 AND c.destination = %s ORDER BY number DESC LIMIT 1"
BRING = (
    "INSERT INTO configured (part, destination, number, hash, node) SELECT 0, a.destination, coalesce(n.number, 0) + 1, a.hash, $3"
    " FROM unnest($1::text[], $2::text[]) AS a (destination, hash)"
    f" LEFT JOIN LATERAL ({NEWEST % 'a.destination'}) n ON true WHERE n.hash IS DISTINCT FROM a.hash AND ($4 OR NOT EXISTS"
    " (SELECT FROM configured c WHERE c.part = 0 AND c.destination = a.destination AND c.hash = a.hash))"
)
DROP_OLD = (
    "DELETE FROM configured c WHERE c.part = 0 AND c.destination = ANY($1::text[]) AND c.number <="
    f" (SELECT max(number) FROM configured n WHERE n.part = 0 AND n.destination = c.destination) - {KEPT}"
)
IN_FORCE = (
    "SELECT a.destination, n.hash FROM unnest($1::text[]) AS a (destination)"
    f" CROSS JOIN LATERAL ({NEWEST % 'a.destination'}) n"
)
ALL_IN_FORCE = (
    "SELECT u.destination, n.hash, n.node, (extract(epoch FROM n.at) * 1000)::bigint"
    " FROM (SELECT DISTINCT destination FROM unit WHERE part = 0) u"
    f" CROSS JOIN LATERAL ({NEWEST % 'u.destination'}) n"
)


async def bring(connection: Connection, hashes: Mapping[str, str], node: str, by_hand: bool) -> dict[str, str]:
    """This is configured at a node, by destination. `by_hand`: somebody asked for it, so it is in force from now on; else it is where it was
    never in force before: a node that starts with yesterday's file must not undo what was done today. Returns what is in force now."""
    names = sorted(hashes)
    async with connection.transaction():
        await connection.execute("SELECT pg_advisory_xact_lock($1)", LOCK)
        await connection.execute(BRING, names, [hashes[name] for name in names], node, by_hand)
        await connection.execute(DROP_OLD, names)
        return dict(await connection.fetch(IN_FORCE, names))


async def all_in_force(connection: Connection) -> dict[str, ConfiguredRow]:
    """By destination that has a unit."""
    return {name: ConfiguredRow(*row) for name, *row in await connection.fetch(ALL_IN_FORCE)}
