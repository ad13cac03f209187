"""Postgres: every event as rows of a PostgreSQL database, in the tables that Segment's warehouses have.

An item has the rows of one event. A batch is one transaction with a statement per table. A row's key is the message id, so an event
that is written twice is there once. Tables and columns are made as they are needed.

Source: https://segment.com/docs/connections/storage/warehouses/schema/
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

from plugins.postgres.driver import asyncpg
from plugins.postgres.names import schema_of
from plugins.postgres.rows import OVERFLOW, rows_of
from plugins.postgres.settings import PostgresSettings
from plugins.postgres.tables import Tables
from plugins.postgres.verdict import ERRORS, is_outdated, read_error
from plugins.postgres.writer import erase, write
from router.plugin import Batch, Context, Delivered, Event, Item, Outcome, Pause, Person, Sender, hookimpl

__all__ = ["Postgres", "PostgresSettings"]

FORGET = "forget"
NO_TABLE = Delivered("no_table_left")
CONNECT_S, CLOSE_S = 10.0, 5.0


class Postgres:
    """Writes events of all six types."""

    api_version = (1, 1)
    display_names = ("Postgres", "PostgreSQL")
    settings_model = PostgresSettings

    def __init__(self, settings: PostgresSettings) -> None:
        self.settings = settings
        self.kinds: Mapping[str, Batch] = {
            "": Batch(max_items=500, max_bytes=4_000_000, concurrency=settings.connections),
            FORGET: Batch(),
        }
        self._tables = Tables(settings.max_tables, settings.max_columns)
        self._pool: Any = None

    @hookimpl
    def identify(self, event: Event, context: Context) -> Item:
        """Rows of the tables that Segment has for this type."""
        rows = rows_of(event)
        left = max(len(row["columns"].get(OVERFLOW, ())) for row in rows)
        if left:
            context.warn("fields_without_a_column", fields=left)
        return Item({"schema": self.settings.schema_name or schema_of(event.source), "rows": rows})

    group = track = page = screen = alias = identify

    @hookimpl
    def forget(self, person: Person) -> Item:
        """Delete the rows of the person from the tables that the router made."""
        users = [person.user_id] if person.user_id else []
        anonymous = list(person.anonymous_ids)
        ids = {"user_id": users, "previous_id": [*users, *anonymous], "anonymous_id": anonymous}
        return Item({"schema": self.settings.schema_name, "ids": ids}, FORGET)

    @hookimpl
    def forget_group(self, group_id: str) -> Item:
        """Delete the rows that name the group from the tables that the router made."""
        ids = {"group_id": [group_id], "context_group_id": [group_id]}
        return Item({"schema": self.settings.schema_name, "ids": ids}, FORGET)

    @hookimpl
    async def deliver(self, items: list[Item], sender: Sender) -> Outcome | Sequence[Outcome]:
        """Write the rows in one transaction."""
        writing = 0
        try:
            async with self._pool.acquire(timeout=CONNECT_S) as connection:
                writing = len(items)
                if items[0].kind == FORGET:
                    await erase(connection, items[0].body["schema"], items[0].body["ids"])
                    return Delivered()
                crowded = await write(connection, self._tables, items)
        except (*ERRORS, Pause) as error:
            if is_outdated(error):
                self._tables.forget()
            return error if isinstance(error, Pause) else read_error(error, writing)
        places = [{(item.body["schema"], row["table"]) for row in item.body["rows"]} for item in items]
        return [NO_TABLE if crowded & of_item else Delivered() for of_item in places] if crowded else Delivered()

    @hookimpl
    async def check(self, sender: Sender) -> str:
        """Connect and ask what this user may do. Writes nothing."""
        try:
            async with self._pool.acquire(timeout=CONNECT_S) as connection:
                version = await connection.fetchval("SHOW server_version")
                may = await connection.fetchval("SELECT has_database_privilege(current_database(), 'CREATE')")
        except ERRORS as error:
            outcome = read_error(error, 0)
            assert isinstance(outcome, Exception)
            raise outcome from error
        rights = "may create schemas" if may else "may not create schemas: make them first, and give it CREATE on them"
        return f"connected to PostgreSQL {version}; this user {rights}; nothing was written"

    @hookimpl
    @asynccontextmanager
    async def lifetime(self) -> AsyncIterator[None]:
        """A pool that connects at the first batch, so that a server that is down stops no start."""
        limit_s = self.settings.statement_timeout_s
        limit_ms = str(round(1000 * limit_s))
        self._pool = await asyncpg.create_pool(
            self.settings.dsn.get_secret_value(),
            min_size=0,
            max_size=self.settings.connections,
            timeout=CONNECT_S,
            command_timeout=limit_s + 5,  # the server ends a statement first; this is for a server that is gone
            statement_cache_size=0,  # the shape of a statement changes with its columns, and a pooler keeps none
            server_settings={
                "application_name": "segment-router",
                "statement_timeout": limit_ms,
                "lock_timeout": limit_ms,
            },
        )
        try:
            yield
        finally:
            try:
                await asyncio.wait_for(self._pool.close(), CLOSE_S)
            except TimeoutError:
                self._pool.terminate()
