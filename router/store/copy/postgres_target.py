"""A database that is filled. It is made with a mark that it is not whole, in one transaction: no daemon starts on it until that is gone."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from uuid import uuid4

import msgspec

from router.errors import CopyError
from router.store.blocks import pack
from router.store.copy.ports import Head, Row
from router.store.copy.postgres_source import NAME, faults
from router.store.copy.tables import (
    CODE,
    COMPANY,
    COMPUTED_FOR_THE_DATABASE,
    DISCARD,
    OF_THE_DATABASE,
    PERSON,
    RECEIPT,
    REGULATION,
    TABLES,
    WITHOUT_PART,
    Table,
)
from router.store.forgotten import NOBODY
from router.store.keyed_hash import keyed_hash
from router.store.postgres.database import Connection, closed, connect
from router.store.postgres.install import COPYING, LOCK, SCHEMA, check_settings, first_rows, make_tables
from router.store.postgres.receipt_codes import DENSE
from router.store.postgres.rows_written import words
from router.store.postgres.trait_hashes import trait_hash
from router.store.regulation import Regulation
from router.store.rows import LogRow
from router.store.shards import slot_of

COPY_LOCK = 0x5E67_0003
"""Of the advisory lock of who copies into it."""
FOLDED = frozenset({"identify", "group", "alias"})
BLOCK = "INSERT INTO block (part, first, n, id, floor, at, dup, folded, data) VALUES (0, $1::bigint, $2, $1::bigint, $3, $4, '', $5, $6)"
"""Its id is its first position."""
SEEN = (
    "INSERT INTO seen_0 AS s SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::int[]) ON CONFLICT (hash) DO UPDATE SET"
    " block = excluded.block, at = excluded.at WHERE excluded.block > s.block"
)
BLOCK_OF = "SELECT first FROM block WHERE part = 0 AND first <= pos ORDER BY first DESC LIMIT 1"
ERASED = "INSERT INTO erased SELECT 0, * FROM unnest($1::bigint[], $2::bigint[])"
EVENTS = "SELECT coalesce(sum(n), 0)::bigint FROM block"
FINISH = (
    "UPDATE head SET pos = $1, duplicates = $2, discarded = $3, clock = $4 WHERE part = 0",
    "UPDATE trim SET pos = coalesce((SELECT min(first) - 1 FROM block WHERE part = 0), $1) WHERE part = 0",
    "SELECT setval('block_id', greatest($1, 1))",
)


class PostgresTarget:
    """Implements `ports.Target`. Each call is one transaction."""

    has_shards = True

    def __init__(self, connection: Connection, shown: str) -> None:
        self._connection, self._shown = connection, shown
        self._hash_key = b""
        self._nobody = (
            uuid4()
        )  #: carries out the regulations that are under way: whichever process starts first adopts them

    async def begin(self, head: Head) -> None:
        """Comes first."""
        self._hash_key = head.hash_key
        made_at = None if head.made_at is None else str(head.made_at).encode()
        values = {
            "hash_key": head.hash_key,
            "people_key": head.people_key,
            "made_at": made_at,
            "notices": head.notices,
        }
        with faults(self._shown):
            async with self._connection.transaction():
                await self._connection.execute("DELETE FROM meta WHERE key <> $1", COPYING)
                for key, value in values.items():
                    if value is not None:
                        await self._connection.execute("INSERT INTO meta VALUES ($1, $2)", key, value)

    async def add_log(self, events: Sequence[LogRow]) -> None:
        """As one block. Its instants are those of its events, so none of them changes when it is read."""
        instants = [event.received_at for event in events]
        first = events[0].pos
        folded = any(event.type in FOLDED for event in events)
        seen = {  # of two with one id the later one counts
            keyed_hash(self._hash_key, event.source, event.message_id): event.received_at // 1000
            for event in events
            if event.message_id != NOBODY
        }
        with faults(self._shown):
            async with self._connection.transaction():
                values = (first, len(events), min(instants), max(instants), folded, pack(events))
                await self._connection.execute(BLOCK, *values)
                await self._put_seen([(hashed, first, at) for hashed, at in seen.items()])

    async def add_erased(self, erased: Sequence[tuple[int, int, int]]) -> None:
        """Behind the log."""
        hashes, positions = [one[0] for one in erased], [one[1] for one in erased]
        with faults(self._shown):
            async with self._connection.transaction():
                await self._connection.execute(ERASED, hashes, positions)
                sql = f"SELECT ({BLOCK_OF}) FROM unnest($1::bigint[]) WITH ORDINALITY AS asked (pos, n) ORDER BY n"
                blocks = [row[0] for row in await self._connection.fetch(sql, positions)]
                newest = {
                    hashed: (block, at // 1000)
                    for block, (hashed, _, at) in sorted(zip(blocks, erased, strict=True), key=lambda one: one[0])
                }
                await self._put_seen([(hashed, *found) for hashed, found in newest.items()])

    async def _put_seen(self, rows: Iterable[tuple[int, int, int]]) -> None:
        """(hash, block, instant in s), each hash once."""
        if in_order := sorted(rows):
            await self._connection.execute(SEEN, *(list(column) for column in zip(*in_order, strict=True)))

    async def add(self, table: Table, rows: Sequence[Row]) -> None:
        """Rows of a table."""
        columns = [*table.columns, *COMPUTED_FOR_THE_DATABASE.get(table.name, ())]
        records = [self._as_stored(table, row) for row in rows]
        if table.name not in WITHOUT_PART:
            columns, records = ["part", *columns], [(0, *record) for record in records]
        with faults(self._shown):
            await self._connection.copy_records_to_table(table.name, columns=columns, records=records)

    def _as_stored(self, table: Table, row: Row) -> Row:
        values = [words(value) if isinstance(value, str) else value for value in row]
        if table is RECEIPT:
            values[RECEIPT.place("codes")] = DENSE + row[RECEIPT.place("codes")]
        elif table is PERSON:
            values.append(_trait(row, PERSON, "email"))
        elif table is COMPANY:
            values.append(_trait(row, COMPANY, "name"))
        elif table is REGULATION:
            regulation = msgspec.json.decode(row[REGULATION.place("job")], type=Regulation)
            values += [not regulation.is_under_way, self._nobody]
        elif table.name in COMPUTED_FOR_THE_DATABASE:
            values.append(slot_of(row[table.place("user_key")]))
        return tuple(values)

    async def finish(self, head: Head, expected: Mapping[str, int]) -> None:
        """It is whole now."""
        with faults(self._shown):
            async with self._connection.transaction():
                for name, rows in expected.items():
                    found = await self._connection.fetchval(EVENTS if name == "log" else f"SELECT count(*) FROM {name}")
                    if found != rows:
                        raise CopyError(f"{rows} rows of {name} were copied, and the copy has {found}: copy it again")
                await self._connection.execute(FINISH[0], head.pos, head.duplicates, head.discarded, head.clock)
                for sql in FINISH[1:]:
                    await self._connection.execute(sql, head.pos)
                for table in (DISCARD, CODE):
                    await self._go_on_behind(table.name, table.key[0])
                await self._connection.execute("DELETE FROM meta WHERE key = $1", COPYING)
            await self._connection.execute("ANALYZE")

    async def _go_on_behind(self, table: str, column: str) -> None:
        """The next number that the database gives out there is a new one."""
        newest = f"SELECT setval(pg_get_serial_sequence('{table}', '{column}'), max({column})) FROM {table} HAVING count(*) > 0"
        await self._connection.execute(newest)


def _trait(row: Row, table: Table, name: str) -> int | None:
    return trait_hash(msgspec.json.decode(row[table.place("traits")]).get(name))


@asynccontextmanager
async def open_postgres_target(
    dsn: str, shown: str, now_ms: int, *, needs_fsync: bool = True
) -> AsyncIterator[PostgresTarget]:
    """A database without tables of the router, or one of which a copy was interrupted. Raises CopyError where it is another one; StartError
    where its settings would break a promise."""
    with faults(shown):
        connection = await connect(dsn, application_name=NAME, statement_timeout="0")
    try:
        with faults(shown):
            await check_settings(connection, needs_fsync=needs_fsync)
            await _prepare(connection, shown, now_ms)
        yield PostgresTarget(connection, shown)
    finally:
        await closed(connection)


async def _prepare(connection: Connection, shown: str, now_ms: int) -> None:
    if not await connection.fetchval("SELECT pg_try_advisory_lock($1)", COPY_LOCK):
        raise CopyError(f"another `store copy` is filling {shown}: wait until it is done")
    async with connection.transaction():
        await connection.execute("SELECT pg_advisory_xact_lock($1)", LOCK)
        if await connection.fetchval("SELECT to_regclass('version')") is None:
            await make_tables(connection)
        elif not await connection.fetchval("SELECT true FROM meta WHERE key = $1", COPYING):
            raise CopyError(
                f"{shown} is not empty: it has tables of segment-router already. Make a new database for the copy (createdb), or drop"
                " this one if nothing in it is needed any more"
            )
        elif (schema := await connection.fetchval("SELECT schema FROM version")) != SCHEMA:
            raise CopyError(
                f"{shown} is a copy of schema {schema} that was interrupted: make a new database for the copy"
            )
        else:
            names = [table.name for table in TABLES] + list(OF_THE_DATABASE)
            await connection.execute(f"TRUNCATE {', '.join(dict.fromkeys(names))}")
        await first_rows(connection, now_ms)
        await connection.execute("INSERT INTO meta VALUES ($1, '')", COPYING)
