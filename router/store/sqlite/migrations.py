"""Bring a store file to the schema of this program: PRAGMA user_version, and a step for each schema before it."""

from __future__ import annotations

import os
import re
import sqlite3
from collections.abc import Mapping
from importlib import resources
from pathlib import Path

from router.store.rows import PART
from router.store.sqlite.before_migration import keep_copy, remove_older_copies
from router.store.sqlite.migration_from_1 import from_1
from router.store.sqlite.migration_from_2 import from_2
from router.store.sqlite.migration_from_6 import from_6
from router.store.sqlite.regulation_rows import add_key

SCHEMA = 7
NEW_TABLES: Mapping[int, tuple[str, ...]] = {
    4: ("consent", "violation", "regulation", "suppressed"),
    5: ("counted",),
    6: ("seen_run", "seen_piece", "seen_filter"),
}
"""What came with a schema. A store that was rebuilt just now has it already."""
CREATED = re.compile(r"CREATE (TABLE|INDEX) (?:\w+ ON )?(\w+)")


def migrate(db: sqlite3.Connection, path: Path, now_ms: int) -> str:
    """Create or upgrade, in one exclusive transaction. A store that holds events is copied first. It is none of a newer program. Returns what
    was upgraded, and where the copy is; nothing for a store that is new or of this schema.

    Raises:
        StartError: the disk has no room for that; nothing was changed.
    """
    version = db.execute("PRAGMA user_version").fetchone()[0]
    if version < SCHEMA:
        if version > 0:
            keep_copy(db, path, version, SCHEMA)
        _bring_up(db, version, now_ms)
    remove_older_copies(path, SCHEMA)  # also of an upgrade that was killed behind its last statement
    return (
        f"from schema {version} to {SCHEMA}; the store as it was is kept: {path}.before-{SCHEMA}"
        if 0 < version < SCHEMA
        else ""
    )


def _bring_up(db: sqlite3.Connection, version: int, now_ms: int) -> None:
    db.execute("BEGIN EXCLUSIVE")
    try:
        if version == 0:
            _create(db, now_ms)
        else:
            if version == 1:
                from_1(db, schema_statements())
            if version <= 2:
                from_2(db)
            _add_tables(db, version)
            if version <= 3:
                add_key(db)
            from_6(db)
        db.execute(f"PRAGMA user_version = {SCHEMA}")
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:  # SQLite has taken it back already where the disk was at fault
            db.execute("ROLLBACK")
        raise


def _add_tables(db: sqlite3.Connection, version: int) -> None:
    """With their indexes."""
    new = {table for schema, tables in NEW_TABLES.items() if schema > version for table in tables}
    for statement in schema_statements():
        kind, table = CREATED.match(statement).groups()  # type: ignore[union-attr]
        if table in new:
            db.execute(statement.replace(f"CREATE {kind}", f"CREATE {kind} IF NOT EXISTS", 1))


def _create(db: sqlite3.Connection, now_ms: int) -> None:
    for statement in schema_statements():  # executescript would commit the transaction first
        db.execute(statement)
    db.execute("INSERT INTO head VALUES (?, 0, 0, 0, ?, 0)", (PART, now_ms))
    db.execute("INSERT INTO meta VALUES ('hash_key', ?), ('made_at', ?)", (os.urandom(16), now_ms))
    add_key(db)


def schema_statements() -> list[str]:
    """What makes the tables and indexes of this schema, in order."""
    script = resources.files("router.store.sqlite").joinpath("schema.sql").read_text()
    without_comments = "\n".join(line.split("--")[0] for line in script.splitlines())
    return [statement.strip() for statement in without_comments.split(";") if statement.strip()]
