"""The shared store as tests speak of it, on a real server: a database for each path, copied from one that has the tables, or emptied."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import asyncpg

from router.clock import Clock
from router.store.fence import Fence
from router.store.outcome_blocks import unpack_ahead
from router.store.postgres import housekeeping as housekeeping_of
from router.store.postgres.append_queue import AppendQueue
from router.store.postgres.claim import Grant, PostgresClaim
from router.store.postgres.store import PostgresStore, open_postgres
from router.testing.clock import FakeClock
from tests.contract import postgres_image
from tests.contract.store_case import NO_CURSOR, Shorter
from tests.postgres_server import KEYLESS, Server

TEMPLATE = "with_tables"
FILLED = ("version", "meta", "head", "generation", "trim", "duty")
"""The tables that have rows from the start. Copies of these rows are in the schema `start`."""
MOST_BYTES = 1 << 20
"""A database with more in its tables than this is not used again."""
SHAPE = """
SELECT (SELECT string_agg(format('%s %s', oid, relname), ',' ORDER BY oid) FROM pg_class WHERE relnamespace = 'public'::regnamespace),
  (SELECT count(*) FROM pg_trigger), (SELECT count(*) FROM pg_proc), (SELECT count(*) FROM pg_db_role_setting)
"""
"""What a test may have changed beside rows."""


class PostgresCase(Shorter):
    """The shared store."""

    queue: AppendQueue
    housekeeping: housekeeping_of.Housekeeping

    def __init__(self, store: PostgresStore, dsn: str) -> None:
        self.__dict__ = store.__dict__
        self.held_claims = {}
        self.dsn = dsn

    def of_nobody(self, fence: Fence) -> Any:
        c: Any = self.claims
        return PostgresClaim(Grant(NO_CURSOR, fence), c._me, c._database, c._blocks, c.codes)

    def _connection(self) -> AbstractAsyncContextManager[Any]:
        claims: Any = self.claims
        worker: AbstractAsyncContextManager[Any] = claims._database.worker()
        return worker

    async def place(self, destination: str) -> tuple[int, set[int]]:
        async with self._connection() as connection:
            sql = "SELECT pos, ahead FROM unit WHERE destination = $1"
            pos, ahead = await connection.fetchrow(sql, destination)
        return pos, unpack_ahead(pos, ahead)

    async def execute(self, sql: str) -> None:
        async with self._connection() as connection:
            await connection.execute(sql)

    def number(self, sql: str, *args: object) -> int:
        """A number straight out of the database. `cursor` in the statement is the table `unit`."""
        sql = sql.replace("FROM cursor", "FROM unit")
        for n in range(1, len(args) + 1):
            sql = sql.replace("?", f"${n}", 1)
        with ThreadPoolExecutor(1) as thread:
            return thread.submit(asyncio.run, self._number(sql, *args)).result()

    def image(self) -> sqlite3.Connection:
        with ThreadPoolExecutor(1) as thread:
            tables = thread.submit(asyncio.run, postgres_image.tables(self.dsn)).result()
        return postgres_image.image(tables)

    def contents(self) -> list[bytes]:
        """In every row of every table. What VACUUM gives back to the database is not looked at."""
        with ThreadPoolExecutor(1) as thread:
            tables = thread.submit(asyncio.run, postgres_image.tables(self.dsn)).result()
        return postgres_image.contents(tables)

    def now_ms(self) -> int:
        return self.queue.clock.now_ms()

    async def tidy(self) -> None:
        """All rounds of housekeeping, which come once a minute."""
        housekeeping: Any = self.housekeeping
        housekeeping._swept_ms = -housekeeping_of.SWEEP_MS
        while await housekeeping.round():
            pass

    async def _number(self, sql: str, *args: object) -> int:
        async with connected(self.dsn) as connection:
            return int(await connection.fetchval(sql, *args))


class OnServer:
    """Opens stores on a server."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._databases: dict[Path, str] = {}
        self._left: list[str] = []  #: whose tests are over
        self._shape: Any = None
        self._empty = ""  #: the statements that make one as new

    @asynccontextmanager
    async def open(
        self,
        path: Path,
        clock_from: Callable[[int], Clock],
        *,
        dedupe_window_s: float,
        retention_s: float = 7 * 86_400.0,
        **how: Any,
    ) -> AsyncIterator[tuple[Any, Clock]]:
        """The database of this path. What only a file has (`how`) is left out. Nobody else uses it, so a claim has no lease."""
        if path not in self._databases:
            self._databases[path] = await self._new()
        dsn = self._server.dsn(self._databases[path], KEYLESS)
        opening = open_postgres(
            dsn, clock_from, dedupe_window_s=dedupe_window_s, retention_s=retention_s, needs_fsync=False
        )
        async with opening as (store, clock):
            yield PostgresCase(store, dsn), clock

    def leave(self, folder: Path) -> None:
        """The databases of the paths in this folder may serve another test."""
        for path in [path for path in self._databases if path.is_relative_to(folder)]:
            self._left.append(self._databases.pop(path))

    async def copy(self, path: Path, to: Path) -> None:
        """Another database with all that a closed one has."""
        self._databases[to] = await self._server.database(template=self._databases[path])

    async def drop(self, path: Path) -> None:
        """The database of this path, which is closed."""
        async with connected(self._server.dsn("postgres", KEYLESS)) as connection:
            await connection.execute(f"DROP DATABASE {self._databases.pop(path)}")

    async def _new(self) -> str:
        """A database with tables and nothing else in them: to copy one takes half as long as to make them, to empty one hardly any time."""
        if not self._empty:
            await self._make_template()
        while self._left:
            name = self._left.pop(0)
            if await self._is_as_new(name):
                return name
        return await self._server.database(template=TEMPLATE)

    async def _make_template(self) -> None:
        await self._server.let_in(KEYLESS)
        dsn = self._server.dsn(await self._server.database(TEMPLATE), KEYLESS)
        clock = FakeClock()
        async with open_postgres(dsn, lambda mark: clock, dedupe_window_s=60, needs_fsync=False):
            pass
        async with connected(dsn) as connection:
            await connection.execute("CREATE SCHEMA start")
            for table in FILLED:
                await connection.execute(f"CREATE TABLE start.{table} AS TABLE {table}")
            self._shape = await connection.fetchrow(SHAPE)
            tables = await connection.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
            sequences = await connection.fetch("SELECT sequencename FROM pg_sequences WHERE schemaname = 'public'")
        self._empty = ";".join(
            [
                *(f"DELETE FROM {table}" for (table,) in tables),
                *(f"INSERT INTO {table} TABLE start.{table}" for table in FILLED),
                *(f"ALTER SEQUENCE {sequence} RESTART" for (sequence,) in sequences),
            ]
        )

    async def _is_as_new(self, name: str) -> bool:
        """Empty it. False: nobody can, as it has another shape, is large, or is still in use."""
        async with connected(self._server.dsn(name, KEYLESS)) as connection:
            others = "SELECT count(*) FROM pg_stat_activity WHERE datname = $1 AND pid <> pg_backend_pid()"
            size = "SELECT sum(pg_relation_size(oid)) FROM pg_class WHERE relnamespace = 'public'::regnamespace"
            if (
                await connection.fetchval(others, name)
                or await connection.fetchval(size) > MOST_BYTES
                or await connection.fetchrow(SHAPE) != self._shape
            ):
                return False
            await connection.execute(self._empty)
            return True


@asynccontextmanager
async def connected(dsn: str) -> AsyncIterator[Any]:
    """A connection."""
    connection = await asyncpg.connect(dsn)
    try:
        yield connection
    finally:
        await connection.close()
