"""A database of a real PostgreSQL server, and what a test reads there."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg

from tests.postgres_server import Server


class Database:
    """What is in a database, by a connection of the test's own."""

    def __init__(self, connection: Any) -> None:
        self.connection = connection

    async def run(self, sql: str) -> None:
        """Do this as an operator."""
        await self.connection.execute(sql)

    async def rows(self, table: str, *columns: str) -> list[Any]:
        """These columns of a table, in the order of the ids: of one column the values, else tuples."""
        names = ", ".join(f'"{column}"' for column in columns)
        found = await self.connection.fetch(f'SELECT {names} FROM website."{table}" ORDER BY id')
        return [row[0] if len(columns) == 1 else tuple(row) for row in found]

    async def whole(self, table: str) -> list[Any]:
        """The rows of a table as objects; none if there is no such table."""
        if table not in await self.names():
            return []
        found = await self.connection.fetch(f'SELECT to_jsonb("__row") FROM website."{table}" AS "__row"')
        return [json.loads(row[0]) for row in found]

    async def types(self, table: str) -> dict[str, str]:
        """The types of a table's columns."""
        query = "SELECT column_name, data_type FROM information_schema.columns WHERE table_name = $1"
        return {row[0]: row[1] for row in await self.connection.fetch(query, table)}

    async def names(self) -> set[str]:
        """The tables there are."""
        query = "SELECT tablename FROM pg_tables WHERE schemaname NOT IN ('pg_catalog', 'information_schema')"
        return {row[0] for row in await self.connection.fetch(query)}

    async def count(self, table: str) -> int:
        """How many rows a table has."""
        return int(await self.connection.fetchval(f'SELECT count(*) FROM website."{table}"'))


@asynccontextmanager
async def connected(server: Server, database: str) -> AsyncIterator[Any]:
    """A connection to a database, as a superuser."""
    connection = await asyncpg.connect(server.dsn(database))
    try:
        yield connection
    finally:
        await connection.close()
