"""Blocked lanes. The text of their order is that of bytes, as in the embedded store."""

from __future__ import annotations

from collections.abc import Sequence

from router.store.postgres.database import Connection
from router.store.postgres.scope import Scope
from router.store.rows import ORDER_KEY_STEP, LaneRow, Miscounted
from router.vocabulary import Queue

LANE_COLUMNS = (
    "user_key, mode, need, reason, group_id, due_at, attempts, held, main, held_since, first_held, also, refused_pos"
)


async def load(connection: Connection, scope: Scope, user_keys: Sequence[str]) -> dict[str, LaneRow]:
    """The rows of those of these users who have one."""
    sql = f"SELECT {LANE_COLUMNS} FROM lane WHERE {scope.here} AND user_key = ANY($2::text[])"
    return {row[0]: LaneRow(*row) for row in await connection.fetch(sql, scope.destination, list(user_keys))}


async def due(connection: Connection, scope: Scope, mode: str, now_ms: int, limit: int) -> list[str]:
    """User keys of lanes of this mode whose time has come, longest due first."""
    sql = f"SELECT user_key FROM lane WHERE {scope.here} AND mode = $2 AND due_at <= $3 ORDER BY due_at LIMIT $4"
    return [row[0] for row in await connection.fetch(sql, scope.destination, mode, now_ms, limit)]


async def next_due(connection: Connection, scope: Scope, mode: str, after_ms: int) -> int | None:
    """When the next lane of this mode is due, later than this."""
    sql = f"SELECT min(due_at) FROM lane WHERE {scope.here} AND mode = $2 AND due_at > $3"
    found: int | None = await connection.fetchval(sql, scope.destination, mode, after_ms)
    return found


async def held_since(connection: Connection, scope: Scope, before_ms: int, limit: int) -> list[str]:
    """User keys of lanes that hold something since before an instant, longest first."""
    sql = f"SELECT user_key FROM lane WHERE {scope.here} AND held > 0 AND need <> '' AND held_since < $2 ORDER BY held_since LIMIT $3"
    return [row[0] for row in await connection.fetch(sql, scope.destination, before_ms, limit)]


async def has_any(connection: Connection, scope: Scope) -> bool:
    """Whether any lane has a row."""
    return bool(await connection.fetchval(f"SELECT true FROM lane WHERE {scope.here} LIMIT 1", scope.destination))


async def stuck(connection: Connection, scope: Scope, after: str, limit: int) -> list[str]:
    """User keys, behind this one, of lanes that wait for nothing and are never due."""
    sql = (
        f"SELECT user_key FROM lane WHERE {scope.here} AND due_at IS NULL AND (need = '' OR mode = 'retry') AND user_key > $2"
        " ORDER BY user_key LIMIT $3"
    )
    return [row[0] for row in await connection.fetch(sql, scope.destination, after, limit)]


async def miscounted(
    connection: Connection, scope: Scope, after: str, limit: int
) -> tuple[dict[str, Miscounted], str | None]:
    """Of the next users with a lane or with parked rows those whose lane is missing or does not say how many rows there are. And the last
    user looked at; None: there are no more. One statement, so all of it is read as of one instant."""
    users = await connection.fetch(
        "WITH RECURSIVE u AS ((SELECT user_key FROM parked WHERE part = 0 AND destination = $1 AND user_key > $2 ORDER BY user_key LIMIT 1)"
        " UNION ALL SELECT (SELECT p.user_key FROM parked p WHERE p.part = 0 AND p.destination = $1 AND p.user_key > u.user_key"
        "  ORDER BY p.user_key LIMIT 1) FROM u WHERE u.user_key IS NOT NULL),"
        " users AS (SELECT user_key FROM ((SELECT user_key FROM u WHERE user_key IS NOT NULL LIMIT $3)"
        "  UNION (SELECT user_key FROM lane WHERE part = 0 AND destination = $1 AND user_key > $2 ORDER BY user_key LIMIT $3)) each ORDER BY user_key LIMIT $3)"
        " SELECT users.user_key, n.held, n.main, n.since, l.held AS lane_held, l.main AS lane_main FROM users LEFT JOIN lane l ON l.part = 0"
        "  AND l.destination = $1 AND l.user_key = users.user_key, LATERAL (SELECT count(*) FILTER (WHERE queue = $4) AS held,"
        "  count(*) FILTER (WHERE queue <> $4) AS main, coalesce(min(parked_at) FILTER (WHERE queue = $4), 0) AS since"
        "  FROM parked p WHERE p.part = 0 AND p.destination = $1 AND p.user_key = users.user_key) n ORDER BY users.user_key",
        scope.destination, after, limit, str(Queue.HELD),
    )  # fmt: skip
    found = {
        row["user_key"]: Miscounted(
            row["held"] - (row["lane_held"] or 0),
            row["main"] - (row["lane_main"] or 0),
            row["since"],
            row["lane_held"] is not None,
        )
        for row in users
        if scope.share.has(row["user_key"])
        and ((row["held"], row["main"]) != (row["lane_held"], row["lane_main"]) or not row["held"] + row["main"])
    }
    return found, users[-1]["user_key"] if len(users) == limit else None


async def openings(connection: Connection, scope: Scope) -> list[tuple[str, str]]:
    """Needs whose lanes were being opened, each with the last lane done."""
    sql = "SELECT need, last_key FROM opening WHERE part = 0 AND destination = $1 AND shard = $2 ORDER BY need"
    rows = await connection.fetch(sql, scope.destination, scope.share.shard)
    return [(row[0], row[1]) for row in rows]


async def last_place(connection: Connection, destination: str) -> int:
    """The highest place that stands between two events, of all shards: those that were there before another number of them may have
    given it out. What a timer returned has the negative of it as its position, also as a dead letter."""
    here = Scope(destination).here
    found: int = await connection.fetchval(
        f"SELECT greatest(0, (SELECT max(place) FROM parked WHERE {here} AND place % {ORDER_KEY_STEP} <> 0),"
        f" -(SELECT min(pos) FROM parked WHERE {here}), -(SELECT min(pos) FROM dead WHERE {here}))",
        destination,
    )
    return found
