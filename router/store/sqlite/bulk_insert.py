"""Insert many rows with few statements."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from functools import lru_cache
from itertools import chain

ROWS_A_STATEMENT = (100, 50, 25, 12, 6, 3, 2, 1)
"""99 rows take 4 of these statements. Each is compiled once and kept."""


def insert_many(db: sqlite3.Connection, into: str, rows: Sequence[tuple[object, ...]], end: str = "") -> None:
    """Run `INSERT INTO ...` (`into` is all before VALUES, `end` what comes behind the rows) for rows of one length.

    The driver hands the interpreter to other threads at every step of a statement: with a row a step that is two switches a
    row while the event loop is busy.
    """
    if not rows:
        return
    columns, at = len(rows[0]), 0
    for count in ROWS_A_STATEMENT:
        statement = _statement(into, columns, count, end)
        while len(rows) - at >= count:
            db.execute(statement, tuple(chain.from_iterable(rows[at : at + count])))
            at += count


@lru_cache(maxsize=64)
def _statement(into: str, columns: int, rows: int, end: str) -> str:
    place = f"({', '.join('?' * columns)})"
    return f"{into} VALUES {', '.join([place] * rows)}{end}"
