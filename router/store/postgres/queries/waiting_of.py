"""Which events of a person wait at destinations."""

from __future__ import annotations

from collections.abc import Sequence

from router.store.postgres.database import Connection

# In their own lanes; and what was held for an anonymousId, in the lane of whomever it was linked to. A second
# sending stands for its event.
LANES = (
    'SELECT unnest($1::text[]) COLLATE "C" AS key, false AS moved UNION'
    " SELECT user_key, true FROM link WHERE part = 0 AND anonymous_key = ANY($1::text[])"
)
POSITIONS = (
    f"SELECT DISTINCT p.pos FROM ({LANES}) l CROSS JOIN unnest($2::text[]) AS d (name) CROSS JOIN LATERAL"
    " (SELECT CASE origin WHEN 0 THEN pos ELSE origin END AS pos FROM parked"
    " WHERE part = 0 AND destination = d.name AND user_key = l.key AND (linked <> '' OR NOT l.moved) AND CASE origin WHEN 0 THEN pos ELSE origin END > $3"
    " AND CASE origin WHEN 0 THEN pos ELSE origin END < $4 ORDER BY 1 DESC LIMIT $5) p ORDER BY p.pos DESC LIMIT $5"
)


async def waiting_of(
    connection: Connection, keys: Sequence[str], destinations: Sequence[str], low: int, at: int, most: int
) -> list[int]:
    """Positions of what waits for these user keys behind `low` and in front of `at`, newest first, so many at most. What was held for
    somebody else's anonymousId may be among them. Reads as many rows as their lanes have."""
    return [row[0] for row in await connection.fetch(POSITIONS, list(keys), list(destinations), low, at, most)]
