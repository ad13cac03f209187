"""A file of SQLite that is read. Its lock is held meanwhile, so that no daemon starts on it."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from router.errors import CopyError
from router.store.copy.ports import Head, Row, next_slice
from router.store.copy.tables import ATTEMPT, KEPT, MEMBER, ONE_SHARD, SUPPRESSED, UNIT, VIOLATION, Table
from router.store.forgotten import NOBODY
from router.store.rows import PART, LogRow
from router.store.sqlite import id_runs
from router.store.sqlite.before_migration import schema_of
from router.store.sqlite.connection import Connection, open_reader
from router.store.sqlite.event_columns import key_list
from router.store.sqlite.id_runs import Run
from router.store.sqlite.locks import StoreFiles, refuse_half_restored
from router.store.sqlite.migrations import SCHEMA
from router.store.sqlite.regulation_rows import MEMBERS
from router.store.suppressions import HASH_BYTES

LOG = "SELECT pos, received_at, source, type, user_key, message_id, body FROM log WHERE pos > %d ORDER BY pos"
ERASED = (
    f"SELECT hash, pos, received_at FROM seen JOIN log USING (pos) WHERE message_id = '{NOBODY}' ORDER BY hash, pos"
)
KNOWN_META = ("hash_key", "people_key", "made_at", "notices", "sweep_kept")
NAMES: Mapping[str, str] = {UNIT.name: "cursor"}
"""Tables that have another name in the file."""


class Reading(NamedTuple):
    """How rows of a table are read, where that is not by their columns alone."""

    instead: Mapping[str, str] = {}  #: expressions in the place of columns
    whole: str = ""  #: the statement in the place of all
    to_rows: Callable[[Row], Iterable[Row]] | None = None  #: what one row that was read is copied as


def _owners(row: Row) -> Iterator[Row]:
    hashed, owners, at = row
    return ((hashed, owners[n : n + HASH_BYTES], at) for n in range(0, len(owners), HASH_BYTES))


def _with_ids(row: Row) -> Iterator[Row]:
    place = VIOLATION.place("ids")
    yield (*row[:place], msgspec.json.decode(row[place], type=list[str]), *row[place + 1 :])


READINGS: Mapping[str, Reading] = {
    **{name: Reading({"shard": "0"}) for name in ONE_SHARD},
    UNIT.name: Reading({"clock": f"(SELECT clock FROM head WHERE part = {PART})", "floors": "x''"}),
    ATTEMPT.name: Reading(whole=f"SELECT {', '.join(ATTEMPT.columns)} FROM attempt ORDER BY rowid"),
    # Of some late outcomes an upgrade from schema 1 kept the hash alone. They go within the retention; nothing is told of their events.
    KEPT.name: Reading(whole=f"SELECT {', '.join(KEPT.columns)} FROM kept WHERE received_at IS NOT NULL ORDER BY pos"),
    MEMBER.name: Reading(
        whole=f"SELECT substr(m.key, {len(MEMBERS) + 1}), e.value FROM meta m, json_each(CAST(m.value AS TEXT)) e"
        f" WHERE m.key GLOB '{MEMBERS}*' ORDER BY 1, 2"
    ),
    SUPPRESSED.name: Reading(whole="SELECT hash, owner, at FROM suppressed ORDER BY hash", to_rows=_owners),
    VIOLATION.name: Reading(to_rows=_with_ids),
}


class SqliteSource:
    """Implements `ports.Source`."""

    def __init__(self, db: Connection, path: Path) -> None:
        self._db, self._path = db, path
        self._has_erased = False  #: of the events that were read

    async def head(self) -> Head:
        """What it has once."""
        with faults(self._path):
            return await self._db.run(_head)

    async def log(self, after: int = 0) -> AsyncIterator[Sequence[LogRow]]:
        """The events that the log has behind a position."""
        async for rows in self._slices(LOG % after):
            events = [LogRow(*row) for row in rows]
            self._has_erased = self._has_erased or any(event.message_id == NOBODY for event in events)
            yield events

    async def erased(self) -> AsyncIterator[Sequence[tuple[int, int, int]]]:
        """By the index of message ids: each entry of it is looked up in the log, so only where the log has shown such events."""
        if not self._has_erased:
            return
        async for rows in self._slices(ERASED):
            yield [(hashed, pos, at) for hashed, pos, at in rows]
        with faults(self._path):
            for runs in await self._db.run(id_runs.read):
                for run in runs.values():
                    yield await self._db.run(_erased_in, run)

    async def rows(self, table: Table) -> AsyncIterator[Sequence[Row]]:
        """The rows of a table."""
        reading = READINGS.get(table.name, Reading())
        async for rows in self._slices(reading.whole or _select(table, reading.instead)):
            yield rows if reading.to_rows is None else list(chain.from_iterable(map(reading.to_rows, rows)))

    async def check_unused(self) -> None:
        """The lock was held all the time."""

    async def _slices(self, sql: str) -> AsyncIterator[list[Row]]:
        with faults(self._path):
            cursor: sqlite3.Cursor = await self._db.run(lambda db: db.execute(sql))
            while rows := await self._db.run(lambda db: next_slice(cursor)):
                yield rows


def _erased_in(db: sqlite3.Connection, run: Run) -> list[tuple[int, int, int]]:
    found = []
    sql = "SELECT pos, received_at FROM log WHERE message_id = ? AND pos IN (SELECT value FROM json_each(?))"
    for hashes, positions in id_runs.entries(db, [run]):
        at = dict(db.execute(sql, (NOBODY, key_list(positions))).fetchall())
        found += [(hashed, pos, at[pos]) for hashed, pos in zip(hashes, positions, strict=True) if pos in at]
    return found


def _select(table: Table, instead: Mapping[str, str]) -> str:
    columns = ", ".join(instead.get(column, column) for column in table.columns)
    order = ", ".join(column for column in table.key if column not in instead)
    return f"SELECT {columns} FROM {NAMES.get(table.name, table.name)} ORDER BY {order}"


def _head(db: sqlite3.Connection) -> Head:
    meta: dict[str, Any] = dict(db.execute("SELECT key, value FROM meta").fetchall())
    if unknown := [key for key in meta if key not in KNOWN_META and not key.startswith(MEMBERS)]:
        raise CopyError(f"the store has {', '.join(unknown)}, which this version does not know how to copy")
    pos, duplicates, discarded, clock = db.execute(
        "SELECT pos, duplicates, discarded, clock FROM head WHERE part = ?", (PART,)
    ).fetchone()
    keys = (meta["hash_key"], meta["people_key"])
    return Head(pos, duplicates, discarded, clock, *keys, meta.get("made_at"), meta.get("notices"))


@asynccontextmanager
async def open_sqlite_source(path: Path) -> AsyncIterator[SqliteSource]:
    """Raises CopyError where there is no store of this version's schema; StartError where a daemon uses it."""
    _check_there(path)
    async with AsyncExitStack() as stack:
        files = StoreFiles(path)
        stack.callback(files.close)
        path = files.path
        refuse_half_restored(path)
        with faults(path):
            schema = schema_of(path)
            if schema != SCHEMA:
                raise CopyError(_other_schema(path, schema))
            db = await open_reader(path)
        stack.push_async_callback(db.close)
        yield SqliteSource(db, path)


def _check_there(path: Path) -> None:
    if not path.is_file():
        raise CopyError(f"there is no store at {path}")


def _other_schema(path: Path, schema: int) -> str:
    if schema == 0:
        return f"{path} is not a store of segment-router"
    words = f"{path} has schema {schema}, and this segment-router copies schema {SCHEMA}"
    if schema < SCHEMA:
        return f"{words}: start the daemon of this version on it once, which upgrades it, and stop it"
    return f"{words}: use the newer version"


@contextmanager
def faults(path: Path) -> Iterator[None]:
    """What SQLite says of a file is a CopyError."""
    try:
        yield
    except sqlite3.Error as error:
        raise CopyError(f"{path}: {error}") from None
