"""A file of SQLite that is made. It has another name until it is whole; while a file of that name is there without the store, no daemon
starts (`refuse_half_copied`)."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from router.durable import sync
from router.errors import CopyError
from router.store.copy.ports import Head, Row
from router.store.copy.sqlite_source import NAMES, faults
from router.store.copy.tables import (
    ATTEMPT,
    MEMBER,
    ONE_SHARD,
    REGULATION,
    SUPPRESSED,
    UNIT,
    VIOLATION,
    WITHOUT_PART,
    Table,
)
from router.store.forgotten import NOBODY
from router.store.regulation import Regulation
from router.store.rows import PART, LogRow
from router.store.sqlite import regulation_file, regulation_rows
from router.store.sqlite.apply_commit import ATTEMPT_BYTES
from router.store.sqlite.bulk_insert import insert_many
from router.store.sqlite.connection import Connection, open_writer
from router.store.sqlite.cursors import SWEEP
from router.store.sqlite.dedupe import Dedupe
from router.store.sqlite.id_generations import put_into_table
from router.store.sqlite.locks import StoreFiles, half_copied, refuse_half_restored
from router.store.sqlite.migrations import migrate

T = TypeVar("T")

LEFT_OUT: Mapping[str, tuple[str, ...]] = {UNIT.name: ("clock", "floors"), **dict.fromkeys(ONE_SHARD, ("shard",))}
"""Columns that a file has not."""
PARTLESS = WITHOUT_PART - {"discard", "discard_count"}
"""Tables that have no column `part` in the file either."""


class SqliteTarget:
    """Implements `ports.Target`. Each call is one transaction, which no disk waits for: only the end is synced."""

    has_shards = False

    def __init__(self, db: Connection, path: Path) -> None:
        self._db, self._path = db, path
        self._dedupe = Dedupe(b"", 0)
        self._at = 0  #: ms; no event was accepted later
        self._attempt_bytes = 0
        self._members: dict[str, list[str]] = {}
        self.regulations: list[Regulation] = []  #: that were copied

    async def begin(self, head: Head) -> None:
        """Comes first."""
        self._dedupe = Dedupe(head.hash_key, 0)
        values = {"hash_key": head.hash_key, "people_key": head.people_key, "made_at": head.made_at, SWEEP: 0}
        if head.notices is not None:
            values["notices"] = head.notices
        rows = [(key, value) for key, value in values.items() if value is not None]
        await self._run(lambda db: db.executemany("INSERT OR REPLACE INTO meta VALUES (?, ?)", rows))

    async def add_log(self, events: Sequence[LogRow]) -> None:
        """Behind those before."""

        def work(db: sqlite3.Connection) -> None:
            insert_many(db, "INSERT INTO log", [(PART, *event) for event in map(_values, events)])
            known = [event for event in events if event.message_id != NOBODY]
            hashes = [self._dedupe.hash_of(event.source, event.message_id) for event in known]
            self._dedupe.add(hashes, [event.pos for event in known])
            self._at = max([self._at, *(event.received_at for event in events)])
            self._dedupe.merge(db, self._at)

        await self._run(work)

    async def add_erased(self, erased: Sequence[tuple[int, int, int]]) -> None:
        """Behind the log."""

        def work(db: sqlite3.Connection) -> None:
            put_into_table(db, {hashed: pos for hashed, pos, _ in erased})

        await self._run(work)

    async def add(self, table: Table, rows: Sequence[Row]) -> None:
        """Rows of a table."""
        if table is MEMBER:
            for regulation, user_key in rows:
                self._members.setdefault(regulation, []).append(user_key)
        elif table is SUPPRESSED:
            await self._run(lambda db: _suppress(db, rows))
        else:
            await self._run(_insert, table, list(self._as_stored(table, rows)))

    def _as_stored(self, table: Table, rows: Sequence[Row]) -> Iterable[Row]:
        if table is REGULATION:
            self.regulations += [msgspec.json.decode(job, type=Regulation) for _, _, job in rows]
        left_out = [table.place(column) for column in LEFT_OUT.get(table.name, ())]
        for row in rows:
            values = [value for place, value in enumerate(row) if place not in left_out]
            if table is VIOLATION:
                values[VIOLATION.place("ids")] = msgspec.json.encode(row[VIOLATION.place("ids")]).decode()
            elif table is ATTEMPT:
                texts = [row[ATTEMPT.place(column)] for column in ("error", "request")]
                self._attempt_bytes += ATTEMPT_BYTES + sum(map(len, texts))
                values.append(self._attempt_bytes)
            yield tuple(values)

    async def finish(self, head: Head, expected: Mapping[str, int]) -> None:
        """It is whole now."""

        def work(db: sqlite3.Connection) -> None:
            self._dedupe.merge_all(db, self._at)
            for regulation, user_keys in self._members.items():
                regulation_rows.add_members(db, regulation, user_keys)
            values = (head.pos, head.duplicates, head.discarded, head.clock, head.pos, PART)
            sql = "UPDATE head SET pos = ?, duplicates = ?, discarded = ?, clock = ?, merged = ? WHERE part = ?"
            db.execute(sql, values)
            for name, rows in expected.items():
                if name not in (MEMBER.name, SUPPRESSED.name):  # these have less rows here
                    (found,) = db.execute(f"SELECT count(*) FROM {NAMES.get(name, name)}").fetchone()
                    if found != rows:
                        raise CopyError(f"{rows} rows of {name} were copied, and the copy has {found}: copy it again")

        await self._run(work)
        with faults(self._path):
            await self._db.run(lambda db: db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall())

    async def _run(self, work: Callable[..., T], *args: Any) -> T:
        """In one transaction."""

        def transaction(db: sqlite3.Connection) -> T:
            db.execute("BEGIN IMMEDIATE")
            result = work(db, *args)
            db.execute("COMMIT")
            return result

        with faults(self._path):  # nothing is taken back: the file is thrown away
            return await self._db.run(transaction)


def _insert(db: sqlite3.Connection, table: Table, rows: Sequence[Row]) -> None:
    columns = [column for column in table.columns if column not in LEFT_OUT.get(table.name, ())]
    columns += ["upto"] if table is ATTEMPT else []
    if table.name not in PARTLESS:
        columns, rows = ["part", *columns], [(PART, *row) for row in rows]
    insert_many(db, f"INSERT INTO {NAMES.get(table.name, table.name)} ({', '.join(columns)})", rows)


def _suppress(db: sqlite3.Connection, rows: Sequence[Row]) -> None:
    for hashed, owner, at in rows:
        regulation_rows.suppress(db, [(hashed, owner)], at)


def _values(event: LogRow) -> tuple[object, ...]:
    return (event.pos, event.received_at, event.source, event.type, event.user_key, event.message_id, event.body)


@asynccontextmanager
async def open_sqlite_target(path: Path, now_ms: int) -> AsyncIterator[SqliteTarget]:
    """A new file. It gets its name when the context is left without an exception. Raises CopyError where there is one; StartError where
    somebody uses it, or the folder cannot be written."""
    async with AsyncExitStack() as stack:
        files = StoreFiles(path)
        stack.callback(files.close)
        path = files.path
        refuse_half_restored(path)
        if path.exists():
            raise CopyError(f"there is a store at {path} already: move it away, or name another file")
        copying = half_copied(path)
        for left in (copying, *(Path(f"{copying}{end}") for end in ("-wal", "-shm"))):
            left.unlink(missing_ok=True)  # of a copy that was interrupted
        with faults(path):
            db = await open_writer(copying)
        target = SqliteTarget(db, path)
        async with AsyncExitStack() as opened:
            opened.push_async_callback(db.close)
            with faults(path):
                await db.run(_prepare, copying, now_ms)
            yield target
        sync(copying)
        regulation_file.note(path, target.regulations)
        copying.rename(path)
        sync(path.parent)


def _prepare(db: sqlite3.Connection, path: Path, now_ms: int) -> None:
    db.execute("PRAGMA synchronous = OFF")
    migrate(db, path, now_ms)
