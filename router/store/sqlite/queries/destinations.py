"""The destinations that a store knows, also those that are configured no more."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from router.store.rows import PART
from router.store.sqlite.cursors import LEFT


def destinations(db: sqlite3.Connection) -> list[str]:
    """The names of all destinations that have a cursor."""
    return [row[0] for row in db.execute("SELECT destination FROM cursor WHERE part = ? ORDER BY 1", (PART,))]


def left_over(db: sqlite3.Connection, configured: Sequence[str]) -> dict[str, dict[str, int]]:
    """What is kept of destinations that are not among these."""
    rows = db.execute(
        f"SELECT destination, {LEFT}, letters FROM cursor c JOIN head h USING (part) WHERE c.part = ? ORDER BY destination",
        (PART,),
    )
    names = ("held", "retrying", "queued", "dead")
    return {name: dict(zip(names, counts, strict=True)) for name, *counts in rows if name not in configured}
