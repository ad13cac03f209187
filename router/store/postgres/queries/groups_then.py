"""To which group users belonged when they sent something."""

from __future__ import annotations

from collections.abc import Collection

from router.store.postgres.database import Connection

THEN = (
    "SELECT a.user_key, a.pos, m.group_id FROM unnest($1::text[], $2::bigint[]) AS a (user_key, pos) CROSS JOIN LATERAL"
    " (SELECT group_id FROM membership WHERE part = 0 AND user_key = a.user_key AND pos <= a.pos ORDER BY pos DESC LIMIT 1) m"
)


async def groups_then(connection: Connection, asks: Collection[tuple[str, int]]) -> dict[tuple[str, int], str | None]:
    """The group of each (user key, position), in one trip; none where it was forgotten, or there was none."""
    if not asks:
        return {}
    rows = await connection.fetch(THEN, [key for key, _ in asks], [pos for _, pos in asks])
    return {(key, pos): group_id or None for key, pos, group_id in rows}


async def ever_in(connection: Connection, group_id: str, user_keys: Collection[str]) -> set[str]:
    """Those of these users who belong to a group, or did once."""
    rows = await connection.fetch(
        "SELECT DISTINCT user_key FROM membership WHERE part = 0 AND group_id = $1 AND user_key = ANY($2::text[])",
        group_id, list(user_keys),
    )  # fmt: skip
    return {row[0] for row in rows}
