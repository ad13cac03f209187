"""Insert many rows with few statements."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from functools import lru_cache
from itertools import chain

ROWS_A_STEP = 100


def insert_many(db: sqlite3.Connection, into: str, rows: Sequence[tuple[object, ...]]) -> None:
    """Run `INSERT INTO ...` (`into` is all before VALUES) for rows of one length.

    The driver hands the interpreter to other threads at every step of a statement: with a row a step that is two switches a
    row while the event loop is busy.
    """
    if not rows:
        return
    columns = len(rows[0])
    whole = len(rows) - len(rows) % ROWS_A_STEP
    for at in range(0, whole, ROWS_A_STEP):
        db.execute(_statement(into, columns, ROWS_A_STEP), tuple(chain.from_iterable(rows[at : at + ROWS_A_STEP])))
    db.executemany(_statement(into, columns, 1), rows[whole:])


@lru_cache(maxsize=32)
def _statement(into: str, columns: int, rows: int) -> str:
    place = f"({', '.join('?' * columns)})"
    return f"{into} VALUES {', '.join([place] * rows)}"
