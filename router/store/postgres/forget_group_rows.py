"""Erase what waits at a destination for groups that are forgotten, and its dead letters. `find` opens every event that may name a group; the
others are one transaction each. No worker of the destination may run.

What was mapped for a member can have the group's traits in it. It is mapped again at its turn, without them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import msgspec

from router.event import named_groups
from router.store.names_in_texts import Names
from router.store.postgres import forget_rows, regulation_rows
from router.store.postgres.block_reads import Blocks
from router.store.postgres.database import Connection
from router.store.postgres.forget_rows import AT, HERE, Row
from router.store.postgres.row_reads import accepted_at
from router.store.postgres.scope import Scope
from router.store.regulation import Regulation

LOOKED_THROUGH = 500
"""Rows that one reading looks through."""

ROWS = (
    "SELECT x.pos, x.user_key, {own}, octet_length(w.body) AS woken, x.items, w.type FROM {table} x"
    " LEFT JOIN woken w USING (part, destination, pos) WHERE x.part = 0 AND x.destination = $1 AND x.pos > $2 AND {at} <= $3"
    " AND w.type IS DISTINCT FROM 'forget'{{slots}} ORDER BY x.pos LIMIT $4"
)
PARKED = ROWS.format(
    table="parked",
    own="x.origin, x.given, 0::bigint AS size",
    at=f"(CASE WHEN x.origin <> 0 THEN x.origin ELSE {AT} END)",
)
LETTERS = ROWS.format(table="dead", own="0::bigint AS origin, '' AS given, x.size", at=AT)


class Found(NamedTuple):
    """What one reading has found."""

    theirs: list[Row]  #: rows of their events
    mapped: list[tuple[int, int]]  #: rows of members' events, which are mapped again: pos, bytes of the items
    after: int | None  #: where the next reading begins; None: there is nothing more


async def find(
    connection: Connection, blocks: Blocks, scope: Scope, regulation: Regulation, sql: str, after: int
) -> Found:
    """The next rows, `PARKED` or `LETTERS`."""
    groups, names = regulation.groups, Names(regulation.told_as)
    members = frozenset(await regulation_rows.members(connection, regulation.id))
    of_slots = sql.format(slots=scope.of_slots("x."))
    records = await connection.fetch(of_slots, scope.destination, after, regulation.bound, LOOKED_THROUGH)
    events = await accepted_at(connection, blocks, [at for r in records if (at := r["origin"] or r["pos"]) > 0])
    found = Found([], [], records[-1]["pos"] if len(records) == LOOKED_THROUGH else None)
    for record in records:
        pos, items, woken = record["pos"], record["items"], record["type"]
        event = events.get(record["origin"] or pos)
        body = event.body if event is not None else b""
        is_made_for_them = bool(woken and items) and names.are_in(items.decode())  # and cannot be mapped again
        if is_made_for_them or not groups.isdisjoint(_groups_of(body, record["given"])):
            found.theirs.append(Row(pos, record["size"] if sql is LETTERS else len(body) or record["woken"] or 0))
        elif items and not woken and record["user_key"] in members:
            found.mapped.append((pos, len(items)))
    return found


def _groups_of(body: bytes, given: str) -> Iterator[str]:
    """Those that an event names, and that on whose behalf an operator released it."""
    yield from named_groups(body)
    if given:
        yield str(msgspec.json.decode(given)["id"])


async def erase_parked(
    connection: Connection, scope: Scope, regulation: Regulation, found: Found, code: int, now_ms: int
) -> None:
    """Their events are dead; what was mapped for members is mapped again."""
    regulation.count(waiting=await forget_rows.erase_parked(connection, scope, found.theirs, code, now_ms))
    sql = f"UPDATE parked SET items = NULL WHERE {HERE} AND pos = ANY($2::bigint[])"
    await connection.execute(sql, scope.destination, [pos for pos, _ in found.mapped])


async def erase_letters(
    connection: Connection, scope: Scope, regulation: Regulation, found: Found, code: int, now_ms: int
) -> None:
    """The same of dead letters: those of members stay, and a replay maps them again."""
    regulation.count(dead=await forget_rows.erase_letters(connection, scope, found.theirs, code, now_ms))
    rows = await connection.fetch(
        f"UPDATE dead d SET items = NULL, size = d.size - these.size FROM unnest($2::bigint[], $3::bigint[]) AS these (at, size)"
        f" WHERE {HERE} AND d.pos = these.at AND d.items IS NOT NULL RETURNING these.size",
        scope.destination, [pos for pos, _ in found.mapped], [size for _, size in found.mapped],
    )  # fmt: skip
    await forget_rows.count(connection, scope, {"letter_bytes": -sum(row[0] for row in rows)})
