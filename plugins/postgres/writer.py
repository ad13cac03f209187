"""Writes a batch: makes what is lacking, then one statement a table, all of them in one transaction."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from plugins.postgres.driver import asyncpg
from plugins.postgres.names import OTHERS, USERS, quoted
from plugins.postgres.placing import Filled, families, lacking, placed
from plugins.postgres.rows import OVERFLOW
from plugins.postgres.tables import MADE_BY, Columns, Place, Tables, start_of
from plugins.postgres.values import COLUMNS, JSONB, fitted
from router.plugin import JSON, Item, Pause, RetryLater, as_instant

Rows = dict[Place, list[dict[str, JSON]]]

MAX_ROUNDS = 4
"""How often tables are looked up and completed for a batch; others may change them meanwhile."""

_OURS = """
SELECT n.nspname, c.relname, array_agg(a.attname::text)
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
WHERE c.relkind = 'r' AND obj_description(c.oid, 'pg_class') = $1 AND ($2 = '' OR n.nspname = $2)
GROUP BY 1, 2 ORDER BY 1, 2
"""


def gathered(items: Sequence[Item]) -> Rows:
    """The rows of these items by their table."""
    rows: Rows = {}
    for item in items:
        for row in item.body["rows"]:
            rows.setdefault((item.body["schema"], row["table"]), []).append(row["columns"])
    return rows


def _moved(rows: Rows, crowded: Collection[Place]) -> Rows:
    """The same with the rows of these tables in the table of other events."""
    moved: Rows = {}
    for place, of_table in rows.items():
        moved.setdefault((place[0], OTHERS) if place in crowded else place, []).extend(of_table)
    return moved


async def write(connection: asyncpg.Connection, tables: Tables, items: Sequence[Item]) -> set[Place]:
    """Write the rows of these items. A row that is there already stays as it is; a user's row takes what is newer. Returns the tables
    of events that could not be made any more: their rows are in the table of other events."""
    rows, crowded = await _ready(connection, tables, gathered(items))
    known = {place: tables.of(place) for place in rows}
    async with connection.transaction():
        for place, of_table in sorted(rows.items()):  # in one order, so that two batches do not wait for each other
            await _insert(connection, place, [placed(row, known[place]) for row in of_table], known[place])
    return crowded


async def _ready(connection: asyncpg.Connection, tables: Tables, rows: Rows) -> tuple[Rows, set[Place]]:
    """The rows by the tables that they go into, once these have all that the rows need; and the tables that could not be made."""
    crowded: set[Place] = set()
    for _ in range(MAX_ROUNDS):
        await tables.look_up(connection, rows)
        wanted: dict[Place, Columns] = {}
        for place, of_table in rows.items():
            known = tables.of(place)
            more, full = lacking(of_table, known or start_of(place[1]), tables.room(place))
            if full:
                tables.fill(place)
            if known and OVERFLOW not in known:
                more[OVERFLOW] = JSONB
            if more or not known:
                wanted[place] = more
        if not wanted:  # nothing was awaited since: what is known is whole
            return rows, crowded
        refused = await tables.add(connection, wanted)
        crowded |= refused
        rows = _moved(rows, refused)
    raise RetryLater("table_changed", "somebody changes the tables meanwhile", after_s=1.0)


async def _insert(
    connection: asyncpg.Connection, place: Place, rows: Sequence[Filled], known: Mapping[str, str]
) -> None:
    needed = {"id": "text", "received_at": "a timestamp"} if place[1] == USERS else {"id": "text"}
    for column, type in needed.items():
        if any(column not in row for row in rows):
            is_now = known.get(column, "missing")
            raise Pause("set_up", f"column {column} of table {'.'.join(place)} is {is_now}: it has to be {type}")
    of_field = families(known) if place[1] == USERS else {}
    rows = sorted(newest(rows, of_field) if of_field else rows, key=lambda row: str(row["id"]))
    columns = sorted({column for row in rows for column in row})
    values: list[list[Any]] = [
        [fitted(row[column], known[column]) if column in row else None for row in rows] for column in columns
    ]
    names = ", ".join(map(quoted, columns))
    arrays = ", ".join(f"${n}::{COLUMNS[known[column]][0]}" for n, column in enumerate(columns, 1))
    then = _update(columns, known, of_field) if of_field and columns != ["id"] else "NOTHING"
    await connection.execute(
        f"INSERT INTO {quoted(*place)} AS t ({names}) SELECT * FROM unnest({arrays}) ON CONFLICT (id) DO {then}",
        *values,
    )


def _update(columns: Sequence[str], known: Mapping[str, str], of_field: Mapping[str, Sequence[str]]) -> str:
    """What a newer row changes: each field that it has, with a null where its older value had another type. Overflow gets its fields, and
    loses those that have a column now."""
    changes = []
    for column in sorted({name for filled in columns if filled != "id" for name in of_field[filled]} - {OVERFLOW}):
        q = quoted(column)
        given = ", ".join(f"excluded.{quoted(name)}" for name in of_field[column] if name in columns)
        changes.append(f"{q} = CASE WHEN num_nonnulls({given}) > 0 THEN excluded.{q} ELSE t.{q} END")
    if known.get(OVERFLOW) == JSONB:
        changes.append(f"{quoted(OVERFLOW)} = {_overflow(columns, of_field)}")
    elif OVERFLOW in columns:
        changes.append(f"{quoted(OVERFLOW)} = coalesce(excluded.{quoted(OVERFLOW)}, t.{quoted(OVERFLOW)})")
    return f"UPDATE SET {', '.join(changes)} WHERE t.received_at IS NULL OR excluded.received_at >= t.received_at"


def _overflow(columns: Sequence[str], of_field: Mapping[str, Sequence[str]]) -> str:
    """What is in overflow after an update."""
    q = quoted(OVERFLOW)
    filled = [
        f"CASE WHEN excluded.{quoted(column)} IS NOT NULL THEN {_literal(name)} END"
        for column in columns
        if column not in ("id", "received_at", OVERFLOW)
        for name in of_field[column]
    ]
    kept = f"coalesce(t.{q}, '{{}}')"
    if filled:
        kept = f"({kept} - array_remove(ARRAY[{', '.join(filled)}]::text[], NULL))"
    whole = f"{kept} || coalesce(excluded.{q}, '{{}}')" if OVERFLOW in columns else kept
    return f"NULLIF({whole}, '{{}}')"


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def newest(rows: Sequence[Filled], of_field: Mapping[str, Sequence[str]]) -> list[Filled]:
    """One row for each id: what was received later wins, field by field.

    Args:
        of_field: the columns that have values of the same field, by column.
    """
    users: dict[JSON, Filled] = {}
    for row in sorted(rows, key=lambda row: as_instant(row.get("received_at")).timestamp()):  # type: ignore[union-attr]
        user = users.setdefault(row["id"], {})
        replaced = {name for column in row for name in of_field[column]}
        kept = {name: value for name, value in user.get(OVERFLOW, {}).items() if name not in replaced}
        overflow = {**kept, **row.get(OVERFLOW, {})}
        for name in replaced | {OVERFLOW}:
            user.pop(name, None)
        user |= row
        if overflow:
            user[OVERFLOW] = overflow
    return list(users.values())


async def erase(connection: asyncpg.Connection, schema: str, ids: Mapping[str, Sequence[str]]) -> None:
    """Delete the rows of our tables in which a column holds one of these ids.

    Args:
        schema: "" for all of them.
        ids: by column; those of `user_id` are the ids of `users`, too.
    """
    async with connection.transaction():
        for found_schema, table, columns in await connection.fetch(_OURS, MADE_BY, schema):
            wanted = {"id": ids.get("user_id", ())} if table == USERS else ids
            held = [(column, list(of)) for column, of in wanted.items() if of and column in columns]
            if held:
                where = " OR ".join(f"{quoted(column)} = ANY(${n}::text[])" for n, (column, _) in enumerate(held, 1))
                name = quoted(found_schema, table)
                await connection.execute(f"DELETE FROM {name} WHERE {where}", *[of for _, of in held])
