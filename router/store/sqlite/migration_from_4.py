"""Schema 4 to 5: the table of counts, which a store of schema 4 lacks and one that was rebuilt just now has."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Sequence

NEW_TABLES = ("counted",)
CREATED = re.compile(r"CREATE (TABLE|INDEX) (?:\w+ ON )?(\w+)")


def from_4(db: sqlite3.Connection, schema: Sequence[str]) -> None:
    """Inside the caller's transaction. `schema`: the statements that make the present one. Nothing is counted of what was before."""
    for statement in schema:
        found = CREATED.match(statement)
        if found is not None and found[2] in NEW_TABLES:
            db.execute(statement.replace(f"CREATE {found[1]}", f"CREATE {found[1]} IF NOT EXISTS", 1))
