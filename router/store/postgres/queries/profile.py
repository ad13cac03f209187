"""What the directory knows of a person or a group. Every look-up goes by an index."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from router.clock import to_iso
from router.event import show_user_key
from router.store.postgres.block_reads import Blocks
from router.store.postgres.database import Connection
from router.store.postgres.queries.calls import UNKNOWN, calls_at, names_of
from router.store.rows import NO_GROUP

_json = msgspec.json.decode
MOST_MEMBERSHIPS = 5
MOST_WAITING = 10_000
"""Lanes that are counted for one group at one destination."""

KNOWN = (
    "SELECT key FROM unnest($1::text[]) AS key WHERE EXISTS (SELECT 1 FROM person WHERE part = 0 AND user_key = key)"
    " OR EXISTS (SELECT 1 FROM link WHERE part = 0 AND anonymous_key = key)"
    " OR EXISTS (SELECT 1 FROM membership WHERE part = 0 AND user_key = key AND group_id <> $2)"
)
WAITS = (
    "SELECT d.name, w.users, w.events, w.since, w.reason FROM unnest($1::text[]) AS d (name) CROSS JOIN LATERAL"
    " (SELECT count(*) AS users, sum(held) AS events, min(held_since) AS since, max(reason) AS reason FROM (SELECT held, held_since, reason"
    " FROM lane WHERE part = 0 AND destination = d.name AND need = $2 AND need <> '' AND need <> user_key AND held > 0 LIMIT $3) lanes) w"
    " WHERE w.users > 0"
)


async def profile(connection: Connection, blocks: Blocks, user_key: str) -> dict[str, Any]:
    """A person: traits, the user that an anonymousId was joined to, and the groups, newest first. Traits None: none are known."""
    traits = await connection.fetchval("SELECT traits FROM person WHERE part = 0 AND user_key = $1", user_key)
    joined_to = await connection.fetchval(
        "SELECT user_key FROM link WHERE part = 0 AND anonymous_key = $1 ORDER BY pos DESC LIMIT 1", user_key
    )
    memberships = await connection.fetch(
        "SELECT group_id, call_pos FROM membership WHERE part = 0 AND user_key = $1 AND group_id <> $2 ORDER BY pos DESC LIMIT $3",
        user_key, NO_GROUP, MOST_MEMBERSHIPS,
    )  # fmt: skip
    names = await names_of(connection, [group_id for group_id, _ in memberships])
    calls = await calls_at(connection, blocks, {call_pos for _, call_pos in memberships})
    return {
        "traits": _json(traits) if traits is not None else None,
        "joined_to": show_user_key(joined_to) if joined_to else None,
        "groups": [{"id": id, "name": names[id], **calls[call_pos]} for id, call_pos in memberships],
    }


async def known_of(connection: Connection, user_keys: Sequence[str]) -> set[str]:
    """Those of these that the directory knows of."""
    return {row[0] for row in await connection.fetch(KNOWN, list(user_keys), NO_GROUP)}


async def group_profile(
    connection: Connection, blocks: Blocks, group_id: str, destinations: Sequence[str]
) -> dict[str, Any] | None:
    """A group: traits, since when each is known, and by destination what waits for a trait of it; None where it is unknown."""
    row = await connection.fetchrow("SELECT traits, since FROM company WHERE part = 0 AND group_id = $1", group_id)
    if row is None:
        return None
    since: dict[str, int] = _json(row[1])
    first = min(since.values(), default=0)
    calls = await calls_at(connection, blocks, {first} if first else ())
    waits = {
        name: {"users": users, "events": events, "since": to_iso(at), "waiting_for": reason}
        for name, users, events, at, reason in await connection.fetch(
            WAITS, list(destinations), f"g:{group_id}", MOST_WAITING
        )
    }
    return {"id": group_id, "traits": _json(row[0]), **calls.get(first, UNKNOWN), "waits": waits}
