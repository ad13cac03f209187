"""The latest consent of users, where it is followed: as destinations ask for it. It is written with the directory."""

from __future__ import annotations

from collections.abc import Sequence

from router.store import preferences
from router.store.postgres.database import Connection

SLICE = 5_000
"""Rows that go in one transaction where consent is followed no more."""

NEWEST = "SELECT max(denied_at) FROM consent WHERE part = 0 AND denied_at > 0"
OWN_AND_LINKED = (
    "SELECT k.key, c.categories AS own, o.categories AS of_linked FROM unnest($1::text[]) AS k (key)"
    " LEFT JOIN LATERAL (SELECT categories FROM consent WHERE part = 0 AND user_key = k.key LIMIT 1) c ON true"
    " LEFT JOIN LATERAL (SELECT user_key FROM link WHERE part = 0 AND anonymous_key = k.key ORDER BY pos DESC LIMIT 1) l ON true"
    " LEFT JOIN LATERAL (SELECT categories FROM consent WHERE part = 0 AND user_key = l.user_key LIMIT 1) o ON true"
)


async def denied(connection: Connection, asks: Sequence[tuple[str, int]]) -> dict[tuple[str, int], frozenset[str]]:
    """For each (user key, position) the categories that the user denies by now, if any, where the newest of these denials stands
    behind the position."""
    newest = await connection.fetchval(NEWEST) or 0
    keys = {key for key, pos in asks if pos < newest}
    if not keys:
        return {}
    rows = {
        key: preferences.denials(preferences.decode(own or b"{}"), preferences.decode(of_linked or b"{}"))
        for key, own, of_linked in await connection.fetch(OWN_AND_LINKED, list(keys))
    }
    return {
        (key, pos): frozenset(rows[key])
        for key, pos in asks
        if pos < newest and max(rows[key].values(), default=0) > pos
    }


async def withdrawals(connection: Connection, after: int, upto: int, limit: int) -> list[tuple[int, str]]:
    """(position, user key) of those whose newest denial stands in a span of the log, in order."""
    rows = await connection.fetch(
        "SELECT denied_at, user_key FROM consent WHERE part = 0 AND denied_at > 0 AND denied_at > $1 AND denied_at <= $2"
        " ORDER BY denied_at, user_key LIMIT $3",
        after, upto, limit,
    )  # fmt: skip
    return [(row[0], row[1]) for row in rows]


async def drop_slice(connection: Connection) -> bool:
    """Drop some rows. False: there are none left."""
    some = "SELECT ctid FROM consent WHERE part = 0 LIMIT $1"
    told = await connection.execute(f"DELETE FROM consent WHERE ctid = ANY(ARRAY({some}))", SLICE)
    return int(told.rpartition(" ")[2]) == SLICE
