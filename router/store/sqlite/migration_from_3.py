"""Schema 3 to 4: tables that are new, which a store of schema 3 lacks and one that was rebuilt just now has."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Sequence

NEW_TABLES = ("consent", "violation", "regulation", "suppressed")
CREATED = re.compile(r"CREATE (TABLE|INDEX) (?:\w+ ON )?(\w+)")


def from_3(db: sqlite3.Connection, schema: Sequence[str]) -> None:
    """Inside the caller's transaction. `schema`: the statements that make the present one."""
    for statement in schema:
        kind, table = CREATED.match(statement).groups()  # type: ignore[union-attr]
        if table in NEW_TABLES:
            db.execute(statement.replace(f"CREATE {kind}", f"CREATE {kind} IF NOT EXISTS", 1))
