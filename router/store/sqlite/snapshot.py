"""A consistent copy of a store, made beside a running daemon or without one; and whether such a copy is whole.

The copy is made through a read-only connection, so nothing of it waits for the daemon's transactions, nor they for it. VACUUM INTO takes
one snapshot, leaves out free pages (which may hold what was erased) and writes a file that needs no WAL. Measured, 1.6 GB, busy cores, a
writer of 100 commits a second: 10 to 15 s, the slowest commit 0.4 to 0.6 s. The backup API in one step took 10 s and 1.0 s; in several steps
it begins again at each commit. Without either the slowest was 0.1 to 0.5 s. The WAL grew to 250 MB.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import quote

import msgspec

from router.errors import BackupError, StoreNewer
from router.store.rows import PART
from router.store.sqlite import pages, regulations_again
from router.store.sqlite.cursors import DROPPED
from router.store.sqlite.migrations import SCHEMA
from router.store.sqlite.regulation_file import Line
from router.store.suppressions import Suppressions

WAIT_S = 10.0
"""How long a process that locks the store is waited for."""
TOLD_EVERY = 20_000
"""Instructions of SQLite between two calls of `told`: some milliseconds."""
KEYS = ("hash_key", "people_key")
"""Of `meta`: secrets of the store, which a start makes where there is no store yet."""
STORED_STATES = ("delivered", "skipped", "filtered", "held", "retrying", "dead")
"""Of the seven states; `queued` is what remains of the accepted events."""

Told = Callable[[], None]


class Facts(msgspec.Struct, frozen=True):
    """What a store says of itself."""

    schema: int
    events: int  #: accepted, in all
    ledger: dict[str, dict[str, int]]  #: by destination; of a store of another schema nothing


def used_bytes(store: Path) -> int:
    """What a copy will take. Raises BackupError where the store cannot be read."""
    with _opened(store, "mode=ro") as db:
        return pages.used_bytes(db)


def copy(store: Path, to: Path, told: Told) -> None:
    """Write a copy of the store as it is now. `told` is called again and again meanwhile.

    Raises:
        BackupError: the store cannot be read, or the copy cannot be written.
        KeyboardInterrupt: Ctrl-C; what was written so far is left.
    """
    with _opened(store, "mode=ro") as db, _telling(db, told):
        try:
            db.execute("VACUUM INTO ?", (str(to),))
        except sqlite3.Error as error:
            if error.sqlite_errorcode == sqlite3.SQLITE_FULL:
                raise BackupError(f"{to}: the disk has no room for a copy of the store") from None
            raise


def examine(file: Path, called: Path, told: Told = lambda: None) -> Facts:
    """Look through a copy that nobody writes to.

    Args:
        called: what people call it: the store it is a copy of, or the backup it comes from.

    Raises:
        BackupError: it is damaged, or is no store.
        StoreNewer: a newer program wrote it.
    """
    with _opened(file, "mode=ro&immutable=1", called) as db, _telling(db, told):
        (schema,) = db.execute("PRAGMA user_version").fetchone()
        if schema > SCHEMA:
            raise StoreNewer(
                f"{called} has schema {schema}, this segment-router knows up to {SCHEMA}: install the newer version again"
            )
        if found := [words for (words,) in db.execute("PRAGMA quick_check(5)") if words != "ok"]:
            raise BackupError(f"{called} is damaged: {'; '.join(found)}")
        if schema < 1 or not db.execute("SELECT 1 FROM sqlite_schema WHERE name = 'head'").fetchone():
            raise BackupError(f"{called} is not a store of segment-router")
        try:
            if schema < SCHEMA:  # the first start upgrades it
                (events,) = _numbers(db, "SELECT max(pos) FROM head")
                return Facts(schema, events, {})
            _check_keys(db)
            return _facts(db)
        except _Unsound as fault:
            raise BackupError(f"{called} is damaged: {fault}") from None


def fold_wal(store: Path) -> bool:
    """Move all of the WAL into the file, so that the file alone is the store. False: it is damaged, or somebody reads it. To be called
    while nobody else writes."""
    try:
        with _opened(
            store, "mode=ro"
        ) as db:  # a writing connection would delete the WAL of a store that it cannot read
            db.execute("SELECT count(*) FROM sqlite_schema").fetchone()
        with _opened(store, "mode=rw") as db:
            (busy,) = db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[:1]
    except BackupError:
        return False
    wal = Path(f"{store}-wal")
    return not busy and not (wal.exists() and wal.stat().st_size)


def lost_regulations(file: Path, called: Path, lines: Iterable[Line]) -> tuple[list[Line], list[Line]]:
    """Which of these lines a copy has no record of: those that its first start will record again, and those whose people cannot be
    found in it, because another store made their hashes."""
    lines = list(lines)
    with _opened(file, "mode=ro&immutable=1", called) as db:
        question = "SELECT value FROM meta WHERE key = 'people_key' AND typeof(value) = 'blob'"
        found = db.execute(question).fetchone()
        if found is None:  # of a schema without regulations: it gets a key of its own when it is upgraded
            return [], lines
        key = Suppressions(found[0], ()).key
        return regulations_again.unknown(db, lines, key), [line for line in lines if line.key not in ("", key)]


class _Unsound(Exception):
    """What the tables say cannot be. SQLite itself finds nothing wrong with them."""


def _numbers(db: sqlite3.Connection, question: str, *given: int) -> tuple[int, ...]:
    """The one row of an answer. SQLite keeps texts in columns of numbers, too."""
    return _as_numbers(db.execute(question, given).fetchone() or (None,))


def _as_numbers(row: Iterable[object]) -> tuple[int, ...]:
    numbers = tuple(value for value in row if isinstance(value, int))
    if len(numbers) != len(tuple(row)):
        raise _Unsound(f"there is no number where one belongs: {row}")
    return numbers


def _check_keys(db: sqlite3.Connection) -> None:
    (found,) = _numbers(db, f"SELECT count(*) FROM meta WHERE key IN {KEYS} AND typeof(value) = 'blob'")
    if found != len(KEYS):
        raise _Unsound("the keys of its hashes are missing")


def _facts(db: sqlite3.Connection) -> Facts:
    (head,) = _numbers(db, "SELECT pos FROM head WHERE part = ?", PART)
    (newest,) = _numbers(db, "SELECT coalesce(max(pos), 0) FROM log")
    if newest > head:
        raise _Unsound(f"the log has position {newest}, and only {head} events were accepted")
    columns = ", ".join(STORED_STATES)
    is_kept = "part = ? AND state <> ?"  # of one that is being dropped some rows are gone already
    rows = db.execute(
        f"SELECT destination, start, pos, {columns} FROM cursor WHERE {is_kept}", (PART, DROPPED)
    ).fetchall()
    ledger = {}
    for name, *row in rows:
        start, pos, *counts = _as_numbers(row)
        told = dict(zip(STORED_STATES, counts, strict=True))
        told["queued"] = head - start - sum(counts)
        _check_counts(db, name, told, is_known=start <= pos <= head)
        ledger[name] = told
    return Facts(SCHEMA, head, ledger)


def _check_counts(db: sqlite3.Connection, name: str, told: dict[str, int], *, is_known: bool) -> None:
    """The seven add up to what was accepted, and held and retrying events have their rows."""
    here = "part = ? AND destination = ? AND pos > 0"
    rows = dict(db.execute(f"SELECT state, count(*) FROM parked WHERE {here} GROUP BY state", (PART, name)))
    parked = {state: rows.get(state, 0) for state in ("held", "retrying")}
    if not is_known or min(told.values()) < 0 or any(told[state] != n for state, n in parked.items()):
        raise _Unsound(f"the ledger of {name} does not add up: counts {told}, rows {parked}")


@contextmanager
def _opened(file: Path, how: str, called: Path | None = None) -> Iterator[sqlite3.Connection]:
    """A connection. What SQLite refuses is a BackupError; Ctrl-C while SQLite works is a KeyboardInterrupt, as everywhere."""
    if not file.is_file():
        raise BackupError(f"there is no store at {file}")
    try:
        uri = f"file:{quote(str(file))}?{how}"
        with closing(sqlite3.connect(uri, uri=True, isolation_level=None, timeout=WAIT_S)) as db:
            yield db
    except sqlite3.Error as error:
        if getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_INTERRUPT:
            raise KeyboardInterrupt from None
        raise BackupError(f"{called or file}: {error}") from None


@contextmanager
def _telling(db: sqlite3.Connection, told: Told) -> Iterator[None]:
    db.set_progress_handler(lambda: told(), TOLD_EVERY)  # an exception in it, such as Ctrl-C, interrupts the statement
    try:
        yield
    finally:
        db.set_progress_handler(None, 0)
