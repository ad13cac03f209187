"""Keyed state, timers, group calls that do not count as settled, and how far a unit is."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

import msgspec

from router.store.postgres.database import Connection
from router.store.postgres.scope import Scope
from router.store.rows import GroupCallRow, Unit

HERE = "part = 0 AND destination = $1"


async def load(connection: Connection, destination: str, state_keys: Sequence[str]) -> dict[str, bytes]:
    """The values of those of these keys that have one, as JSON."""
    sql = f"SELECT key, value FROM state WHERE {HERE} AND key = ANY($2::text[])"
    return {row[0]: row[1] for row in await connection.fetch(sql, destination, list(state_keys))}


async def due_timers(connection: Connection, scope: Scope, now_ms: int, limit: int) -> list[tuple[str, int, str]]:
    """Timers whose time has come: (state key, due, user key)."""
    sql = f"SELECT key, due_at, user_key FROM timer WHERE {scope.here} AND due_at <= $2 ORDER BY due_at LIMIT $3"
    return [(row[0], row[1], row[2]) for row in await connection.fetch(sql, scope.destination, now_ms, limit)]


async def next_timer(connection: Connection, scope: Scope, after_ms: int) -> int | None:
    """When the next timer is due, later than this."""
    sql = f"SELECT min(due_at) FROM timer WHERE {scope.here} AND due_at > $2"
    found: int | None = await connection.fetchval(sql, scope.destination, after_ms)
    return found


async def group_calls(connection: Connection, scope: Scope) -> list[GroupCallRow]:
    """The group calls that do not supply at this destination."""
    rows = await connection.fetch(
        "SELECT pos, user_key, group_id, missing, NOT EXISTS (SELECT 1 FROM parked p WHERE p.part = s.part"
        f" AND p.destination = s.destination AND p.pos = s.pos) FROM supply s WHERE {scope.here} ORDER BY pos",
        scope.destination,
    )
    return [
        GroupCallRow(pos, key, group, tuple(msgspec.json.decode(missing)), dead)
        for pos, key, group, missing, dead in rows
    ]


async def place(connection: Connection, unit: Unit) -> tuple[int, int, UUID | None]:
    """The stored epoch, step and owner; an epoch that nobody has where the unit is gone."""
    sql = "SELECT epoch, step, owner FROM unit WHERE part = $1 AND destination = $2 AND shard = $3"
    found = await connection.fetchrow(sql, *unit)
    return (found[0], found[1], found[2]) if found is not None else (-1, 0, None)
