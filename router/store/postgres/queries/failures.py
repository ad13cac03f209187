"""Why events of a destination are dead or retrying, in the words of who refused them: the newest ones."""

from __future__ import annotations

from typing import Any

from router.clock import to_iso
from router.store.postgres.block_reads import Blocks
from router.store.postgres.database import Connection
from router.store.postgres.queries.fates import message_ids

DEAD = (
    "SELECT d.pos, d.at, d.reason, d.detail, t.status FROM (SELECT pos, at, reason, detail FROM dead WHERE part = 0 AND destination = $1"
    " ORDER BY at DESC LIMIT $2) d LEFT JOIN LATERAL (SELECT status FROM attempt WHERE part = 0 AND destination = $1 AND pos = d.pos"
    " ORDER BY id DESC LIMIT 1) t ON true"
)
RETRYING = (
    "SELECT p.at_pos, t.at, t.reason, t.error, t.status FROM (SELECT user_key FROM lane WHERE part = 0 AND destination = $1 AND mode = 'retry'"
    " AND due_at IS NOT NULL ORDER BY due_at DESC LIMIT $2) u CROSS JOIN LATERAL"
    " (SELECT CASE origin WHEN 0 THEN pos ELSE origin END AS at_pos FROM parked WHERE part = 0 AND destination = $1"
    " AND user_key = u.user_key AND queue = 'main' AND state = 'retrying' LIMIT $2) p CROSS JOIN LATERAL"
    " (SELECT at, reason, error, status FROM attempt WHERE part = 0 AND destination = $1 AND pos = p.at_pos ORDER BY id DESC LIMIT 1) t LIMIT $2"
)


async def failures(connection: Connection, blocks: Blocks, destination: str, most: int) -> list[dict[str, Any]]:
    """The newest dead letters, and of retrying events the last attempt of each, newest first; so many in all at most."""
    found = [("dead", *row) for row in await connection.fetch(DEAD, destination, most)]
    found += [("retrying", *row) for row in await connection.fetch(RETRYING, destination, most)]
    found = sorted(found, key=lambda one: to_iso(one[2]), reverse=True)[:most]
    ids = await message_ids(connection, blocks, [(destination, pos) for _, pos, *_ in found])
    return [
        {
            "state": state, "reason": reason, "status": status, "words": words, "message_id": ids.get((destination, pos)),
            "at": to_iso(at),
        }
        for state, pos, at, reason, words, status in found
    ]  # fmt: skip


async def dead_reasons(connection: Connection, destination: str, most: int) -> list[dict[str, Any]]:
    """Dead letters by reason, the most frequent first: of so many at most, found in an index alone."""
    rows = await connection.fetch(
        "SELECT reason, count(*), min(at), max(at) FROM (SELECT reason, at FROM dead WHERE part = 0 AND destination = $1 ORDER BY reason"
        " LIMIT $2) letters GROUP BY reason ORDER BY 2 DESC, 1",
        destination, most,
    )  # fmt: skip
    return [{"reason": reason, "count": n, "first": to_iso(a), "last": to_iso(b)} for reason, n, a, b in rows]
