"""Who belongs to a group now: by an index of groups, in which those who have left stand, too. So it reads up to a bound."""

from __future__ import annotations

from typing import Any

from router.event import show_user_key
from router.store.postgres.block_reads import Blocks
from router.store.postgres.database import Connection
from router.store.postgres.queries.calls import calls_at

SLICE = 50_000
"""Memberships of a group that are looked at for one page."""

END = "SELECT user_key FROM membership WHERE part = 0 AND group_id = $1 AND user_key > $2 ORDER BY user_key LIMIT 1 OFFSET $3"
MEMBERS = (
    "SELECT m.user_key, m.call_pos FROM membership m WHERE m.part = 0 AND m.group_id = $1 AND m.user_key > $2"
    " AND ($3::text IS NULL OR m.user_key <= $3) AND NOT EXISTS"
    " (SELECT 1 FROM membership n WHERE n.part = 0 AND n.user_key = m.user_key AND n.pos > m.pos) ORDER BY m.user_key LIMIT $4"
)


async def members(connection: Connection, blocks: Blocks, group_id: str, after: str, limit: int) -> dict[str, Any]:
    """In order of user keys; `next`: where to go on, as `after`."""
    end = await connection.fetchval(END, group_id, after, SLICE)
    rows = await connection.fetch(MEMBERS, group_id, after, end, limit + 1)
    calls = await calls_at(connection, blocks, {call_pos for _, call_pos in rows[:limit]})
    found = [{"user": show_user_key(key), "key": key, **calls[call_pos]} for key, call_pos in rows[:limit]]
    return {"members": found, "next": rows[limit - 1][0] if len(rows) > limit else end}
