"""Many rows go in with few statements, whatever their number."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import pytest

from router.store.sqlite.bulk_insert import insert_many


@pytest.mark.parametrize(
    ("rows", "statements"), [(0, 0), (1, 1), (2, 1), (5, 2), (24, 2), (99, 4), (100, 1), (250, 3), (399, 7)]
)
def test_every_row_is_inserted_in_order(rows: int, statements: int) -> None:
    wanted = [(number, f"text {number}") for number in range(rows)]
    run: list[str] = []
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as db:
        db.execute("CREATE TABLE t (a INTEGER, b TEXT)")
        db.set_trace_callback(run.append)
        insert_many(db, "INSERT INTO t", wanted)
        db.set_trace_callback(None)
        assert db.execute("SELECT a, b FROM t ORDER BY rowid").fetchall() == wanted
    assert len(run) == statements
