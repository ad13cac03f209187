"""Whether the store can be opened, and whether an upgrade of it has room."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

from router.doctor.finding import Finding, Level
from router.doctor.subject import Subject
from router.store.disk_space import free_bytes
from router.store.sqlite.before_migration import needed_bytes, opened_to_look, schema_of
from router.store.sqlite.locks import NO_FILE_REMEDY, half_copied, is_half_restored, no_file
from router.store.sqlite.migrations import SCHEMA
from router.store.sqlite.pages import used_bytes


def store_file(subject: Subject) -> Iterator[Finding]:
    """The schema of the store, and whether it is a store."""
    store = subject.store
    if store is None:
        return
    if is_half_restored(store):
        remedy = "run `restore FILE --replace` again"
        yield Finding("store", Level.ERROR, f"{store}: a restore was interrupted", remedy)
    elif odd := no_file(store):
        yield Finding("store", Level.ERROR, f"{store}: {odd}", NO_FILE_REMEDY)
    elif store.exists():
        yield _opened(store)
    elif (copying := half_copied(store)).exists():
        remedy = f"run `store copy SOURCE sqlite:{store}` again, or delete {copying}"
        yield Finding("store", Level.ERROR, f"{store}: a copy into it was interrupted, so no start makes one", remedy)
    else:
        yield Finding("store", Level.OK, f"there is no store at {store} yet; the first start makes it")


def _opened(store: Path) -> Finding:
    try:
        schema, has_tables = _looked_into(store)
    except sqlite3.Error as error:
        if not _readable(store):
            return Finding(
                "store", Level.UNKNOWN, f"this user cannot read {store}", "run it as root or as the service's user"
            )
        remedy = "check the disk, then restore a backup (docs/backup.md)"
        return Finding("store", Level.ERROR, f"{store} cannot be read: {error}", remedy)
    if schema > SCHEMA:
        words = f"{store} has schema {schema}, and this version knows up to {SCHEMA}"
        return Finding("store", Level.ERROR, words, "install the newer version again (UPGRADING.md)")
    if schema == 0 and has_tables:
        words = f"{store} is the database of another program; a start would add its tables to it"
        return Finding("store", Level.WARNING, words, "set another store.url")
    if schema == 0:
        return Finding("store", Level.OK, f"{store} is empty; the first start makes the store in it")
    if schema < SCHEMA:
        words = f"{store} has schema {schema}; the next start upgrades it to {SCHEMA} and keeps a copy"
        return Finding("store", Level.OK, words)
    return Finding("store", Level.OK, f"{store} has schema {schema}, the one of this version")


def _looked_into(store: Path) -> tuple[int, bool]:
    """Its schema, and whether it has tables. The first page of each table is read; `backup` reads them all."""
    with closing(opened_to_look(store)) as db:
        tables = [name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        for name in tables:
            db.execute(f'SELECT 1 FROM "{name}" LIMIT 1').fetchone()
        return int(db.execute("PRAGMA user_version").fetchone()[0]), bool(tables)


def _readable(store: Path) -> bool:
    try:
        with store.open("rb"):
            return True
    except OSError:
        return False


def upgrade(subject: Subject) -> Iterator[Finding]:
    """Whether an older store has room for the copy that its upgrade keeps. One that cannot be read is told by `store`."""
    store = subject.store
    if store is None or not store.is_file() or not _readable(store):
        return
    with suppress(sqlite3.Error):
        schema = schema_of(store)
        if not 0 < schema < SCHEMA:
            return
        with closing(opened_to_look(store)) as db:
            needed = needed_bytes(used_bytes(db), schema)
        free = free_bytes(store.parent)
        words = f"the upgrade of the store needs {needed:,} bytes free, and {store.parent} has {free:,}"
        if free < needed:
            yield Finding("upgrade", Level.ERROR, words, "make room there before the next start")
        else:
            yield Finding("upgrade", Level.OK, words)
