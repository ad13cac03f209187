"""What a database of the shared store holds: every byte of every row, and an image of its rows in the tables of the embedded store, so that
what a test asks of the one can be asked of both."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import asyncpg

from router.store.blocks import unpack, unpacked
from router.store.postgres.receipt_codes import as_dense
from router.store.sqlite.migrations import migrate

Row = Mapping[str, Any]
Tables = Mapping[str, list[Row]]


async def tables(dsn: str) -> Tables:
    """All rows, in one snapshot."""
    connection = await asyncpg.connect(dsn)
    try:
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            names = await connection.fetch(
                "SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"
            )
            return {name: [dict(row) for row in await connection.fetch(f"SELECT * FROM {name}")] for (name,) in names}
    finally:
        await connection.close()


def contents(tables: Tables) -> list[bytes]:
    """Every value, unpacked."""
    return [b"\0".join(_bytes(name, row)) for name, rows in tables.items() for row in rows]


def _bytes(table: str, row: Row) -> Iterable[bytes]:
    for column, value in row.items():
        if table == "block" and column == "data":
            yield unpacked(row["first"], value)
        elif isinstance(value, bytes):
            yield value
        else:
            yield str(value).encode()


def image(tables: Tables) -> sqlite3.Connection:
    """The same rows in the tables of the embedded store."""
    db = sqlite3.connect(":memory:", isolation_level=None)
    migrate(db, Path("unused"), 0)
    renamed: dict[str, list[Row]] = {
        **tables,
        "cursor": tables["unit"],
        "log": _log(tables),
        "suppressed": _suppressed(tables),
    }
    renamed["receipt"] = [{**row, "codes": as_dense(row["from_pos"], row["codes"])} for row in tables["receipt"]]
    renamed["head"] = [{**row, "merged": row["pos"]} for row in tables["head"]]
    renamed["attempt"] = [{**row, "rowid": row["id"]} for row in tables["attempt"]]
    renamed["violation"] = [{**row, "ids": json.dumps(row["ids"])} for row in tables["violation"]]
    for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table' AND name <> 'seen'").fetchall():
        _put(db, name, renamed.get(name, []))
    return db


def _put(db: sqlite3.Connection, table: str, rows: list[Row]) -> None:
    db.execute(f"DELETE FROM {table}")
    defaults = {
        name: (0 if kind == "INTEGER" else b"" if kind == "BLOB" else "") if not_null else None
        for _, name, kind, not_null, *_ in db.execute(f"PRAGMA table_info({table})")
    }
    for row in rows:
        values = {**defaults, **{name: row[name] for name in row.keys() & {*defaults, "rowid"}}}
        places = ", ".join("?" * len(values))
        db.execute(f"INSERT INTO {table} ({', '.join(values)}) VALUES ({places})", list(values.values()))


def _log(tables: Tables) -> list[Row]:
    names = ("pos", "received_at", "source", "type", "user_key", "message_id", "body")
    return [
        {name: getattr(row, name) for name in names}
        for block in tables["block"]
        for row in unpack(block["first"], block["floor"], block["at"], block["dup"], block["data"])
    ]


def _suppressed(tables: Tables) -> list[Row]:
    by_hash: dict[bytes, Row] = {}
    for row in tables["suppressed"]:
        owners = by_hash[row["hash"]]["owner"] if row["hash"] in by_hash else b""
        by_hash[row["hash"]] = {**row, "owner": owners + row["owner"]}
    return list(by_hash.values())
