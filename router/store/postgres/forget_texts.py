"""Erase texts that name a person: what a vendor answered, excerpts of calls that could not be used. A vendor's answer to a batch
may name anybody in it, so all of these texts are looked through."""

from __future__ import annotations

from collections.abc import Iterable

from router.store.names_in_texts import Names
from router.store.postgres.database import Connection

GONE = "(forgotten)"
TEXTS = {
    "discard": ("id", ("message_id", "message", "excerpt")),
    "attempt": ("id", ("error", "request")),
    "dead": ("destination, pos", ("detail",)),
}
"""Tables, what tells their rows apart, and their columns of somebody's words."""

Found = dict[str, list[tuple[object, ...]]]
"""By table: what tells its rows apart."""


async def find(connection: Connection, keys: Iterable[str]) -> Found:
    """The rows with a text that names one of these people. Inside a transaction."""
    names = Names(keys)
    found: Found = {}
    for table, (key, columns) in TEXTS.items():
        width = key.count(",") + 1
        async for row in connection.cursor(f"SELECT {key}, {', '.join(columns)} FROM {table} ORDER BY {key}"):
            if any(names.are_in(text) for text in row[width:]):
                found.setdefault(table, []).append(tuple(row[:width]))
    return found


async def erase(connection: Connection, found: Found) -> int:
    """Empty these texts. Inside a transaction. Returns in how many rows. A dead letter keeps its length: its size is counted."""
    erased = 0
    for table in ("discard", "attempt"):
        if ids := [row[0] for row in found.get(table, ())]:
            sets = ", ".join(f"{column} = ''" for column in TEXTS[table][1])
            told = await connection.execute(f"UPDATE {table} SET {sets} WHERE id = ANY($1::bigint[])", ids)
            erased += int(told.rpartition(" ")[2])
    if letters := found.get("dead", []):
        names = sorted({str(name) for name, _ in letters})
        # No commit of theirs is between: it deletes letters in an order of its own.
        await connection.execute(
            "SELECT 1 FROM unit WHERE part = 0 AND destination = ANY($1::text[]) ORDER BY destination FOR UPDATE", names
        )
        told = await connection.execute(
            "UPDATE dead d SET detail = substr($1 || repeat(' ', length(detail)), 1, length(detail))"
            " FROM unnest($2::text[], $3::bigint[]) AS these (name, at) WHERE d.part = 0 AND d.destination = these.name AND d.pos = these.at",
            GONE, [name for name, _ in letters], [pos for _, pos in letters],
        )  # fmt: skip
        erased += int(told.rpartition(" ")[2])
    return erased
