"""Lists for people, a page at a time: who is held and why, dead letters, what was discarded, what is left of former destinations."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from router.clock import to_iso
from router.event import show_user_key
from router.store.postgres.block_reads import Blocks
from router.store.postgres.database import Connection
from router.store.postgres.queries.fates import attempts_of
from router.store.postgres.queries.waits import Want, group_calls_of, released
from router.store.postgres.row_reads import NOTHING, chosen, events_of
from router.store.postgres.scope import Scope
from router.store.postgres.summed import LEFT, SUMMED
from router.store.rows import DeadLetterFilter, Waits

HERE = "part = 0 AND destination = $1"
PAGE = 100


async def held(
    connection: Connection, blocks: Blocks, destination: str, user_key: str | None, after: str
) -> dict[str, Any]:
    """Users whose events wait, a page at a time, or this one, each with the calls that did not open the gate. Not those whose events were
    released and have not gone out yet."""
    total = await connection.fetchval(f"SELECT sum(held + again_held)::bigint FROM unit WHERE {HERE}", destination)
    rows = await connection.fetch(
        f"SELECT user_key, need, also, reason, group_id, held, held_since, refused_pos FROM lane WHERE {HERE} AND held > 0 AND need <> ''"
        " AND user_key > $2 AND ($3::text IS NULL OR user_key = $3) ORDER BY user_key LIMIT $4",
        destination, after, user_key, PAGE + 1,
    )  # fmt: skip
    shown = rows[:PAGE]
    wants = [
        Want(destination, (row["need"], row["also"]), row["reason"], row["group_id"], row["refused_pos"])
        for row in shown
    ]
    users = [
        {
            "user": show_user_key(row["user_key"]),
            "waiting_for": row["reason"],
            "group_id": row["group_id"] or None,
            "events": row["held"],
            "since": to_iso(row["held_since"]),
            **calls,
        }
        for row, calls in zip(shown, await group_calls_of(connection, blocks, wants), strict=True)
    ]
    n = max(0, total - sum(await released(connection, destination))) if total else 0
    return {"held": n, "users": users, "next": rows[PAGE - 1][0] if len(rows) > PAGE else None}


async def waiting(connection: Connection, destination: str) -> list[Waits]:
    """How much is held, by what it waits for; that with the most events first."""
    rows = await connection.fetch(
        f"SELECT reason, sum(held)::bigint, count(*), min(held_since) FROM lane WHERE {HERE} AND held > 0 AND need <> '' GROUP BY reason"
        " ORDER BY 2 DESC, 1",
        destination,
    )
    return [Waits(*row) for row in rows]


async def dead_letters(
    connection: Connection, blocks: Blocks, destination: str, which: DeadLetterFilter, after: int | None
) -> dict[str, Any]:
    """Dead letters of this kind behind a position, a page at a time."""
    counts = await connection.fetchrow(
        f"SELECT dead + again_dead, letters, letter_bytes FROM {SUMMED} u WHERE {HERE}", destination
    )
    dead, letters, size = counts or (0, 0, 0)
    where, values = chosen(Scope(destination), which)
    behind = -(1 << 62) if after is None else after
    rows = await connection.fetch(
        f"SELECT pos, user_key, at, reason, detail FROM dead WHERE {where} AND pos > $5 ORDER BY pos LIMIT $6",
        *values, behind, PAGE + 1,
    )  # fmt: skip
    events = await events_of(connection, blocks, destination, [row[0] for row in rows[:PAGE]])
    attempts = await attempts_of(connection, [(destination, row[0]) for row in rows[:PAGE]])
    items = [
        {
            "message_id": events.get(pos, NOTHING).message_id,
            "type": events.get(pos, NOTHING).type,
            "user": show_user_key(key),
            "at": to_iso(at),
            "reason": why,
            "detail": detail,
            "attempts": attempts[destination, pos],
        }
        for pos, key, at, why, detail in rows[:PAGE]
    ]
    of_timers = await connection.fetchval(f"SELECT count(*) FROM dead WHERE {HERE} AND pos < 0", destination)
    more = rows[PAGE - 1][0] if len(rows) > PAGE else None
    return {
        "dead": dead, "kept": letters, "kept_of_timers": of_timers, "kept_bytes": size, "items": items, "next": more,
    }  # fmt: skip


async def discards_by_day(connection: Connection, source: str | None, since_ms: int) -> list[dict[str, Any]]:
    """How many entries are kept of each day: see the port."""
    rows = await connection.fetch(
        "SELECT to_char(to_timestamp(at / 1000) AT TIME ZONE 'UTC', 'YYYY-MM-DD') AS day, source, code, count(*) AS entries FROM discard"
        " WHERE at >= $1 AND ($2::text IS NULL OR source = $2) GROUP BY 1, 2, 3 ORDER BY 1 DESC, 4 DESC, 2, 3",
        since_ms,
        source,
    )
    return [dict(row) for row in rows]


async def discards(connection: Connection, source: str | None, since_ms: int) -> dict[str, Any]:
    """Why calls that got a 200 are nowhere: see the port."""
    chosen_ones = "at >= $1 AND ($2::text IS NULL OR source = $2)"
    made_at = await connection.fetchval("SELECT value FROM meta WHERE key = 'made_at'")
    begins = int(made_at) if made_at else 0
    if since_ms:
        first = await connection.fetchrow("SELECT id, at FROM discard ORDER BY id LIMIT 1")
        begins = max(since_ms, first[1] if first and first[0] > 1 else 0)
        counted = f"SELECT source, code, count(*) FROM discard WHERE {chosen_ones} GROUP BY source, code"
    else:
        counted = "SELECT source, code, n FROM discard_count WHERE $1::bigint = 0 AND ($2::text IS NULL OR source = $2)"
    counts: dict[str, dict[str, int]] = {}
    for name, code, n in await connection.fetch(counted, since_ms, source):
        counts.setdefault(name, {})[code] = n
    names = ("source", "code", "message", "message_id", "type", "excerpt")
    newest = await connection.fetch(
        f"SELECT at, {', '.join(names)} FROM discard WHERE {chosen_ones} ORDER BY id DESC LIMIT {PAGE}",
        since_ms,
        source,
    )
    items = [{"at": to_iso(at), **dict(zip(names, rest, strict=True))} for at, *rest in newest]
    return {"since": to_iso(begins) if begins else None, "counts": counts, "items": items}


async def destinations(connection: Connection) -> list[str]:
    """The names of all destinations that have a unit."""
    rows = await connection.fetch("SELECT DISTINCT destination FROM unit WHERE part = 0 ORDER BY 1")
    return [row[0] for row in rows]


async def left_over(connection: Connection, configured: Sequence[str]) -> dict[str, dict[str, int]]:
    """What is kept of destinations that are not among these."""
    rows = await connection.fetch(
        f"SELECT destination, {LEFT}, letters FROM {SUMMED} u JOIN head h USING (part) ORDER BY destination"
    )
    names = ("held", "retrying", "queued", "dead")
    return {name: dict(zip(names, counts, strict=True)) for name, *counts in rows if name not in configured}
