"""What the lanes of users wait for. However many there are, it takes a few trips."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from router.clock import to_iso
from router.event import show_user_key
from router.store.postgres.block_reads import Blocks
from router.store.postgres.database import Connection
from router.store.postgres.queries.calls import calls_at, names_of
from router.store.postgres.queries.waits import Want, group_calls_of

HELD = (
    "SELECT l.destination, l.user_key, l.need, l.also, l.reason, l.group_id, l.held, l.held_since, l.refused_pos"
    " FROM unnest($1::text[]) AS d (name) CROSS JOIN unnest($2::text[]) AS k (key) CROSS JOIN LATERAL (SELECT * FROM lane WHERE part = 0"
    " AND destination = d.name AND user_key = k.key AND held > 0 AND need <> '' LIMIT 1) l"
)
TOLD = (
    "SELECT a.user_key, a.group_id, m.call_pos FROM unnest($1::text[], $2::text[]) AS a (user_key, group_id) CROSS JOIN LATERAL"
    " (SELECT call_pos FROM membership WHERE part = 0 AND user_key = a.user_key AND group_id = a.group_id ORDER BY pos DESC LIMIT 1) m"
)


async def lanes_of(
    connection: Connection, blocks: Blocks, keys: Sequence[str], destinations: Sequence[str]
) -> dict[str, list[dict[str, Any]]]:
    """By destination the lanes of these users in which something is held, and what each waits for:

    - `group_call`: the call that would open the gate and is on its way here;
    - `refused`: the call that does not count here, since it was refused or filtered;
    - `told`: the newest group call of the user, which lacks what the lane waits for.
    """
    rows = await connection.fetch(HELD, list(destinations), list(keys))
    names = await names_of(connection, [row["group_id"] for row in rows if row["group_id"]])
    wants = [
        Want(row["destination"], (row["need"], row["also"]), row["reason"], row["group_id"], row["refused_pos"])
        for row in rows
    ]
    calls = await group_calls_of(connection, blocks, wants)
    told = await _told(connection, blocks, rows)
    found = {}
    for row, group_calls in zip(rows, calls, strict=True):
        key, group_id = row["user_key"], row["group_id"]
        one = {
            "user": show_user_key(key),
            "waiting_for": row["reason"],
            "group_id": group_id or None,
            "group_name": names.get(group_id),
            "events": row["held"],
            "since": to_iso(row["held_since"]),
            **group_calls,
        }
        if "refused" not in one and (key, group_id) in told:
            one["told"] = told[key, group_id]
        found[row["destination"], key] = one
    in_order = {name: [found[name, key] for key in keys if (name, key) in found] for name in destinations}
    return {name: lanes for name, lanes in in_order.items() if lanes}


async def _told(connection: Connection, blocks: Blocks, rows: Sequence[Any]) -> dict[tuple[str, str], dict[str, Any]]:
    """By (user key, group) the newest group call that told it."""
    asks = {(row["user_key"], row["group_id"]) for row in rows if row["group_id"] and not row["refused_pos"]}
    newest = await connection.fetch(TOLD, [key for key, _ in asks], [id for _, id in asks]) if asks else []
    calls = await calls_at(connection, blocks, {call_pos for *_, call_pos in newest})
    return {(key, group_id): calls[call_pos] for key, group_id, call_pos in newest}
