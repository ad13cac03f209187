"""What tables and columns there are, and how new ones are made. Nothing is ever altered but by adding a column.

Columns are looked up once and remembered. Whoever changes a table by hand makes a statement fail; `forget` then has it looked up
again. Two routers of one database make tables one after the other, behind an advisory lock.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable, Mapping

from plugins.postgres.driver import asyncpg
from plugins.postgres.names import OTHERS, TAKEN, USERS, quoted
from plugins.postgres.rows import LOADED_AT, OVERFLOW
from plugins.postgres.settings import MAX_TABLES
from plugins.postgres.values import INSTANT, JSONB, TEXT
from router.plugin import Pause

log = logging.getLogger("plugins.postgres")

MADE_BY = "segment-router"
"""The comment on our tables: those that a deletion looks through."""

TEXTS = ("anonymous_id", "user_id")
INSTANTS = ("timestamp", "original_timestamp", "sent_at")
OF_TABLE: Mapping[str, tuple[str, ...]] = {
    "groups": ("group_id",),
    "aliases": ("previous_id",),
    "pages": ("name", "category"),
    "screens": ("name", "category"),
    "identifies": (),
}
"""Further columns of text that a table begins with. Others are those of tracks and of events."""

Place = tuple[str, str]
"""Schema and table."""
Columns = dict[str, str]
"""The types of columns by name."""

_LOOK = """
SELECT n.nspname, c.relname, a.attname, format_type(a.atttypid, NULL)
FROM unnest($1::text[], $2::text[]) AS wanted(nspname, relname)
JOIN pg_namespace n ON n.nspname = wanted.nspname
JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = wanted.relname AND c.relkind IN ('r', 'p')
JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
"""
_COUNT = """
SELECT n.nspname, count(*)
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = ANY($1::text[]) AND c.relkind = 'r' AND c.relname <> ALL($2::text[])
AND obj_description(c.oid, 'pg_class') = $3
GROUP BY 1
"""


class Tables:
    """The tables that are known.

    Args:
        max_tables: how many are made for names of events, in one schema.
        max_columns: how many columns a table gets.
    """

    def __init__(self, max_tables: int, max_columns: int) -> None:
        self._max_tables, self._max_columns = max_tables, max_columns
        self._known: dict[Place, Columns] = {}
        self._full: set[Place] = set()
        self._crowded: set[str] = set()
        self._in_use: set[Place] = set()

    def forget(self) -> None:
        """Look everything up again."""
        self._known.clear()

    def of(self, place: Place) -> Columns:
        """The columns of a table; none if there is no such table."""
        return self._known.get(place, {})

    def room(self, place: Place) -> int:
        """How many columns it can still get."""
        if place in self._full or place[1] == OTHERS:
            return 0
        return self._max_columns - len(self.of(place) or start_of(place[1]))

    def fill(self, place: Place) -> None:
        """It gets no further column. Logged once, but for that of other events, which never gets one."""
        if place not in self._full and place[1] != OTHERS and len(self._full) < MAX_TABLES:
            self._full.add(place)
            log.warning("table %s.%s has as many columns as it can have: what has none is put into overflow", *place)

    async def look_up(self, connection: asyncpg.Connection, places: Iterable[Place]) -> None:
        """Make sure that the columns of these tables are known, where there are such tables."""
        wanted = [place for place in places if place not in self._known]
        if not wanted:
            return
        if len(self._known) + len(wanted) > MAX_TABLES:
            self._known.clear()
        await self._read(connection, wanted)

    async def _read(self, connection: asyncpg.Connection, places: Iterable[Place]) -> None:
        found: dict[Place, Columns] = {place: {} for place in places}
        for schema, table, column, type in await connection.fetch(_LOOK, *map(list, zip(*found, strict=True))):
            found[schema, table][column] = type
        # in one go: other batches read it meanwhile
        self._known.update(found)
        for place in [place for place, columns in found.items() if not columns]:
            del self._known[place]

    async def add(self, connection: asyncpg.Connection, wanted: Mapping[Place, Columns]) -> set[Place]:
        """Make the tables and columns that are not there. Another router may have made them meanwhile. Returns the tables of events that
        are not made: their schema has as many as it may have, or something else has the name."""
        async with connection.transaction():
            await connection.execute("SELECT pg_advisory_xact_lock(hashtext('segment-router'))")
            schemas = sorted({schema for schema, _ in wanted})
            there = await connection.fetch("SELECT nspname FROM pg_namespace WHERE nspname = ANY($1::text[])", schemas)
            for schema in schemas:  # IF NOT EXISTS would ask for the right to create one even where it is there
                if schema not in {row[0] for row in there}:
                    await connection.execute(f"CREATE SCHEMA {quoted(schema)}")
            await self._read(connection, wanted)
            crowded: set[Place] = set()
            made = await self._counted(connection, wanted)
            for place, columns in sorted(wanted.items()):
                schema, table = place
                is_own = table not in TAKEN and not self.of(place)
                if is_own and made[schema] >= self._max_tables:
                    self._warn_of(schema)
                    crowded.add(place)
                elif self.of(place) or await self._made(connection, place):
                    made[schema] += is_own
                    await self._add(connection, place, columns)
                else:
                    crowded.add(place)
        await self._read(connection, wanted)
        return crowded

    async def _counted(self, connection: asyncpg.Connection, wanted: Iterable[Place]) -> Counter[str]:
        """How many tables of events we have made in the schemas in which a table is wanted. Nobody makes one meanwhile."""
        schemas = sorted({schema for schema, table in wanted if table not in TAKEN})
        there = await connection.fetch(_COUNT, schemas, sorted(TAKEN), MADE_BY) if schemas else []
        return Counter(dict(map(tuple, there)))

    def _warn_of(self, schema: str) -> None:
        """It has no room for another table. Logged once."""
        if schema not in self._crowded:
            self._crowded.add(schema)
            log.warning(
                "schema %s has max_tables tables for events: events of new names are put into %s", schema, OTHERS
            )

    async def _made(self, connection: asyncpg.Connection, place: Place) -> bool:
        """Make a table. False: a view, an index (`x_pkey` is the one of the key of `x`) or a type has the name that an event's table would have."""
        name = quoted(*place)
        written = [f"{quoted(column)} {type}" for column, type in start_of(place[1]).items()]
        written[0] += " PRIMARY KEY"
        written.append(f"{quoted(LOADED_AT)} {INSTANT} NOT NULL DEFAULT now()")
        try:
            async with connection.transaction():  # a savepoint
                await connection.execute(f"CREATE TABLE {name} ({', '.join(written)})")
        except (asyncpg.DuplicateTableError, asyncpg.DuplicateObjectError) as error:
            if place[1] in TAKEN:
                raise Pause("set_up", f"{'.'.join(place)} has to be a table: {error}") from error
            if place not in self._in_use and len(self._in_use) < MAX_TABLES:
                self._in_use.add(place)
                log.warning("no table %s.%s for its event: %s; its rows are put into %s", *place, error, OTHERS)
            return False
        await connection.execute(f"COMMENT ON TABLE {name} IS '{MADE_BY}'")
        return True

    async def _add(self, connection: asyncpg.Connection, place: Place, columns: Columns) -> None:
        name, known = quoted(*place), self.of(place) or start_of(place[1])
        lacking = [(column, type) for column, type in columns.items() if column not in known]
        if lacking:
            added = ", ".join(f"ADD COLUMN IF NOT EXISTS {quoted(column)} {type}" for column, type in lacking)
            try:
                await connection.execute(f"ALTER TABLE {name} {added}")
            except asyncpg.TooManyColumnsError:  # those that were dropped count, too
                self.fill(place)
                raise


def start_of(table: str) -> Columns:
    """The columns that a new table begins with; the first one is its key."""
    begin = {"id": TEXT, "received_at": INSTANT, OVERFLOW: JSONB}
    if table == USERS:
        return begin
    further = OF_TABLE.get(table, ("event", "event_text"))
    return begin | dict.fromkeys((*TEXTS, *further), TEXT) | dict.fromkeys(INSTANTS, INSTANT)
