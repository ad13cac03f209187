"""A database that is read, in one snapshot. No node may use it: it is looked at the end whether one has done so meanwhile."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import asyncpg

from router.errors import CopyError, StoreError
from router.store.blocks import unpack
from router.store.copy.ports import BYTES, ROWS, Head, Row, weight
from router.store.copy.tables import ATTEMPT, RECEIPT, WITHOUT_PART, Table
from router.store.postgres.block_reads import BLOCK
from router.store.postgres.database import Connection, closed, connect, snapshot
from router.store.postgres.install import COPYING, SCHEMA
from router.store.postgres.receipt_codes import DENSE, SPARSE, as_dense
from router.store.rows import LogRow

NAME = "segment-router store copy"
"""Of its connections: nodes end transactions of `segment-router` that stand still."""
OURS = {"application_name": NAME, "idle_in_transaction_session_timeout": "0", "statement_timeout": "0"}
"""Settings of a connection that reads for long."""
PREFETCH, BLOCKS_AHEAD = 200, 2
"""Rows, and blocks of the log, of one trip."""
LOG = f"SELECT {BLOCK} FROM block WHERE part = 0 AND first + n > $1::bigint + 1 ORDER BY first"
ERASED = (
    "SELECT hash, pos, (SELECT at FROM block WHERE part = 0 AND first <= pos ORDER BY first DESC LIMIT 1) FROM erased"
    " WHERE part = 0 AND pos >= (SELECT min(first) FROM block WHERE part = 0) ORDER BY hash, pos"
)
HEAD = "SELECT pos, duplicates, discarded, greatest(clock, (SELECT max(clock) FROM unit)) FROM head WHERE part = 0"
KNOWN_META = ("hash_key", "people_key", "made_at", "notices")
LIVE = "SELECT name FROM node WHERE expires > clock_timestamp() ORDER BY name"
UNDONE = "SELECT count(*) FROM command WHERE state IN ('asked', 'taken') AND node IS NULL"
TRACES = "SELECT h.pos, h.people, (SELECT coalesce(sum(epoch + step), 0)::bigint FROM unit) FROM head h WHERE part = 0"
"""What moves when somebody uses the database."""


class PostgresSource:
    """Implements `ports.Source`. `traces`: as of the snapshot."""

    def __init__(self, connection: Connection, dsn: str, shown: str, traces: Row) -> None:
        self._connection, self._dsn, self._shown, self._traces = connection, dsn, shown, traces

    async def head(self) -> Head:
        """What it has once."""
        with faults(self._shown):
            meta: dict[str, bytes] = dict(await self._connection.fetch("SELECT key, value FROM meta"))
            if unknown := [key for key in meta if key not in KNOWN_META]:
                raise CopyError(f"the store has {', '.join(unknown)}, which this version does not know how to copy")
            made_at = int(meta["made_at"]) if "made_at" in meta else None
            pos, duplicates, discarded, clock = await self._connection.fetchrow(HEAD)
        keys = (meta["hash_key"], meta["people_key"])
        return Head(pos, duplicates, discarded, clock, *keys, made_at, meta.get("notices"))

    async def log(self, after: int = 0) -> AsyncIterator[Sequence[LogRow]]:
        """Block by block, as they are stored."""
        with faults(self._shown):
            async for record in self._connection.cursor(LOG, after, prefetch=BLOCKS_AHEAD):
                yield unpack(*record)

    async def erased(self) -> AsyncIterator[Sequence[tuple[int, int, int]]]:
        """As they are stored."""
        async for rows in self._slices(ERASED, tuple):
            yield rows

    async def rows(self, table: Table) -> AsyncIterator[Sequence[Row]]:
        """The rows of a table."""
        where = "" if table.name in WITHOUT_PART else " WHERE part = 0"
        order = "id" if table is ATTEMPT else ", ".join(table.key)
        sql = f"SELECT {', '.join(table.columns)} FROM {table.name}{where} ORDER BY {order}"
        async for rows in self._slices(sql, _dense if table is RECEIPT else tuple):
            yield rows

    async def _slices(self, sql: str, to_row: Callable[[Sequence[Any]], Row]) -> AsyncIterator[list[Row]]:
        taken: list[Row] = []
        size = 0
        with faults(self._shown):
            async for record in self._connection.cursor(sql, prefetch=PREFETCH):
                taken.append(row := to_row(record))
                size += weight(row)
                if len(taken) >= ROWS or size >= BYTES:
                    yield taken
                    taken, size = [], 0
            if taken:
                yield taken

    async def check_unused(self) -> None:
        """Raises CopyError where a node has used it since the snapshot, or does now."""
        with faults(self._shown):
            another = await connect(self._dsn, **OURS)
            try:
                if await another.fetch(LIVE) or tuple(await another.fetchrow(TRACES)) != self._traces:
                    raise CopyError(
                        f"a node has used {self._shown} meanwhile, so the copy is older than that: stop all nodes and copy it again"
                    )
            finally:
                await closed(another)


def _dense(record: Sequence[Any]) -> Row:
    """The codes as a file has them."""
    place = RECEIPT.place("codes")
    codes = record[place]
    if codes[:1] not in (DENSE, SPARSE):
        raise CopyError(f"a receipt is packed in a way (code {codes[0]}) that this version cannot read")
    return (*record[:place], as_dense(record[RECEIPT.place("from_pos")], codes), *record[place + 1 :])


@asynccontextmanager
async def open_postgres_source(dsn: str, shown: str) -> AsyncIterator[PostgresSource]:
    """Raises CopyError where there is no whole store of this version's schema, or a node uses it."""
    with faults(shown):
        connection = await connect(dsn, **OURS)
    try:
        with faults(shown):
            await check_schema(connection, shown)
            await _check_idle(connection, shown)
        async with snapshot(connection):
            yield PostgresSource(connection, dsn, shown, tuple(await connection.fetchrow(TRACES)))
    finally:
        await closed(connection)


async def check_schema(connection: Connection, shown: str) -> None:
    """Raises CopyError where it is not a whole store of this version's schema."""
    if await connection.fetchval("SELECT to_regclass('version')") is None:
        raise CopyError(
            f"{shown} has no tables of segment-router: is it the right database, and the right search_path?"
        )
    schema = await connection.fetchval("SELECT schema FROM version")
    if schema != SCHEMA:
        how = (
            "start a node of this version on it once, which upgrades it, and stop it"
            if schema < SCHEMA
            else "use the newer version"
        )
        raise CopyError(f"{shown} has schema {schema}, and this segment-router copies schema {SCHEMA}: {how}")
    if await connection.fetchval("SELECT true FROM meta WHERE key = $1", COPYING):
        raise CopyError(f"{shown} is a copy that was interrupted, so it is not whole: copy into it again first")


async def _check_idle(connection: Connection, shown: str) -> None:
    if live := [name for (name,) in await connection.fetch(LIVE)]:
        raise CopyError(
            f"{shown} is in use by {', '.join(live)}: stop all nodes; one that was killed counts as dead when its lease has run out"
        )
    if undone := await connection.fetchval(UNDONE):
        raise CopyError(
            f"{shown} has {undone} commands of operators that were accepted and are not carried out yet: start a node,"
            " wait until they are (those for destinations that are configured no more go after a day), and stop it"
        )


@contextmanager
def faults(shown: str) -> Iterator[None]:
    """What the database says is a CopyError."""
    try:
        yield
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, StoreError) as error:
        raise CopyError(f"{shown}: {type(error).__name__}: {error}") from None
