"""A whole transaction runs in the connection's thread with one hop."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import aiosqlite
import pytest

from router.store.sqlite.connection import Connection, open_writer


@pytest.fixture
async def connection(tmp_path: Path) -> AsyncIterator[Connection]:
    opened = await open_writer(tmp_path / "router.db")
    yield opened
    await opened.close()


async def test_work_runs_in_the_threads_order_and_its_result_comes_back(connection: Connection) -> None:
    threads: set[int] = set()

    def work(db: sqlite3.Connection, n: int) -> list[tuple[int]]:
        threads.add(threading.get_ident())
        db.execute("BEGIN")
        db.execute("CREATE TABLE IF NOT EXISTS t (n)")
        db.execute("INSERT INTO t VALUES (?)", (n,))
        db.execute("COMMIT")
        return db.execute("SELECT n FROM t").fetchall()

    assert await connection.run(work, 1) == [(1,)]
    assert await connection.run(work, 2) == [(1,), (2,)]
    assert len(threads) == 1
    assert threading.get_ident() not in threads


async def test_what_work_raises_comes_back(connection: Connection) -> None:
    with pytest.raises(sqlite3.OperationalError, match="no such table"):
        await connection.run(lambda db: db.execute("SELECT * FROM nowhere"))


async def test_a_closed_connection_runs_nothing(connection: Connection) -> None:
    await connection.close()
    with pytest.raises(ValueError, match="no active connection"):
        await connection.run(lambda db: None)


def test_the_private_names_it_uses_are_those_of_this_version() -> None:
    version = ".".join(aiosqlite.__version__.split(".")[:2])
    assert version == "0.22", (
        "see whether it has a public way to run a function by now; else look at _execute and _conn again"
    )
    assert {"_execute", "_conn"} <= set(dir(aiosqlite.Connection))
