"""One transaction for everything that is pending. Runs in the writing thread.

Events are appended and told to the directory, the index of message ids grows, what is old is trimmed, and each step of a destination
runs in a savepoint of its own, so that its fault is its own.
"""

from __future__ import annotations

import itertools
import sqlite3
from collections.abc import Callable, Iterable, Sequence, Sized
from typing import TypeVar

import msgspec

from router.event import Call, Discard
from router.store.folding import fold
from router.store.pending import Append, Commit
from router.store.rows import PART
from router.store.sqlite import violation_rows
from router.store.sqlite.apply_commit import OutcomeCodes, apply_commit
from router.store.sqlite.dedupe import Dedupe
from router.store.sqlite.directory_writes import DirectoryRows
from router.store.sqlite.log_writes import insert_events
from router.store.sqlite.retention import Retention, Stored

T = TypeVar("T")

KEPT_DISCARDS = 10_000
BATCH_FAULTS = (sqlite3.IntegrityError, sqlite3.ProgrammingError, sqlite3.DataError)
"""Database errors that say something of the step, and nothing of the disk."""
FULL = frozenset({sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_SHMSIZE})
"""A full disk, met by a file or by the WAL's index in shared memory. It passes; nothing else that a disk says does."""
TRIM_PAUSE_MS, TRIM_ROWS = 250, 2_000
"""What is old is trimmed with one commit in so many milliseconds, or when so many rows were stored since: to look whether anything is
old takes nine statements, as many as all else in a commit of a few events."""
HEARD_EVERY = 300
"""Groups between two checkpoints whose faults are heard: SQLite keeps silent about those of its own."""


class Head(msgspec.Struct):
    """Counters of the log, in memory as committed."""

    pos: int
    duplicates: int
    discarded: int


Result = tuple[list[list[int]], list[list[tuple[str, str]] | Exception], Head]
"""Positions of each append, what each commit came to, and the head."""


class GroupTransaction:
    """Keeps what the writing thread knows from one group to the next."""

    def __init__(
        self, dedupe: Dedupe, retention: Retention, check_files: Callable[[], None], monotonic: Callable[[], float]
    ) -> None:
        self.dedupe, self.retention, self._check_files = dedupe, retention, check_files
        self._monotonic = monotonic
        self.sync_s = 0.0  #: how long the last COMMIT took, with its fsync and the checkpoint that may come with it
        self.head = Head(0, 0, 0)  #: as committed
        self.codes = OutcomeCodes()
        self._sources: set[str] = set()
        self._untrimmed = Stored()  #: what was stored since something old was trimmed
        self._trimmed_at = 0  #: ms
        self._unheard = 0  #: groups since a checkpoint could speak

    def load(self, db: sqlite3.Connection) -> None:
        """Read what is kept in memory: before the first run."""
        sql = "SELECT pos, duplicates, discarded FROM head WHERE part = ?"
        self.head = Head(*db.execute(sql, (PART,)).fetchone())
        self.dedupe.load(db)
        self.codes.reload(db)

    def run(self, db: sqlite3.Connection, appends: list[Append], commits: list[Commit], now_ms: int) -> Result:
        """Store all of it, but for steps that are at fault themselves. Durable on return. Raises whatever SQLite raises where the
        store is at fault, and StoreGone; nothing is stored then."""
        self._hear_checkpoint(db)
        db.execute("BEGIN IMMEDIATE")
        try:
            head = Head(self.head.pos, self.head.duplicates, self.head.discarded)
            positions = self._append_all(db, appends, head, now_ms)
            appended = head.pos - self.head.pos
            self.dedupe.merge(db, now_ms, appended)
            outcomes, attempts = (sum(len(rows) for rows in many) for many in _written(commits))
            if appends or outcomes or attempts:
                size = sum([append.size for append in appends])
                self._trim(db, Stored(appended, size, outcomes, attempts), now_ms)
            steps = [self._step(db, commit) for commit in commits]
            db.execute(
                "UPDATE head SET pos = ?, duplicates = ?, discarded = ?, clock = ? WHERE part = ?",
                (head.pos, head.duplicates, head.discarded, now_ms, PART),
            )
            began = self._monotonic()
            db.execute("COMMIT")
            self.sync_s = self._monotonic() - began
        except BaseException as error:
            try:
                self._take_back(db)
            except sqlite3.Error as another:  # no more a full disk: what is in memory would be taken for stored
                raise sqlite3.OperationalError(f"{error}; then, taking it back: {another}") from error
            raise
        self._check_files()  # what was written to a file without a name is not stored
        self.head = head
        return positions, steps, head

    def beside(self, db: sqlite3.Connection, work: Callable[[sqlite3.Connection], T]) -> T:
        """One transaction for what is neither an append nor a step of a destination. Durable on return."""
        db.execute("BEGIN IMMEDIATE")
        try:
            result = work(db)
            db.execute("COMMIT")
        except BaseException:
            self._take_back(db)
            raise
        self._check_files()
        return result

    def _take_back(self, db: sqlite3.Connection) -> None:
        if db.in_transaction:
            db.execute("ROLLBACK")
        self.codes.reload(db)
        self.dedupe.load(db)
        self._sources.clear()

    def _trim(self, db: sqlite3.Connection, stored: Stored, now_ms: int) -> None:
        self._untrimmed = Stored(*map(sum, zip(self._untrimmed, stored, strict=True)))
        rows = self._untrimmed.events + self._untrimmed.outcomes + self._untrimmed.attempts
        if rows >= TRIM_ROWS or now_ms - self._trimmed_at >= TRIM_PAUSE_MS:
            self.retention.slice(db, self._untrimmed, now_ms)
            self._untrimmed, self._trimmed_at = Stored(), now_ms

    def _hear_checkpoint(self, db: sqlite3.Connection) -> None:
        """A database file that cannot be written would go unnoticed while the WAL grows and grows."""
        self._unheard += 1
        if self._unheard < HEARD_EVERY:
            return
        self._unheard = 0
        try:
            db.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
        except sqlite3.Error as error:
            if error.sqlite_errorcode not in FULL:
                raise

    def _remember_sources(self, db: sqlite3.Connection, names: set[str]) -> None:
        """Message ids are looked up source by source: their names must be known, also of those configured no more."""
        if not names <= self._sources:
            db.executemany("INSERT OR IGNORE INTO source VALUES (?)", [(name,) for name in names])
            self._sources = {row[0] for row in db.execute("SELECT name FROM source")}

    def _step(self, db: sqlite3.Connection, commit: Commit) -> list[tuple[str, str]] | Exception:
        db.execute("SAVEPOINT step")
        try:
            openings = apply_commit(db, commit.step, commit.fence, self.codes, self.dedupe.hash_of)
        except Exception as error:
            if isinstance(error, sqlite3.DatabaseError) and not isinstance(error, BATCH_FAULTS):
                raise  # the store itself is at fault
            db.execute("ROLLBACK TO step")
            db.execute("RELEASE step")
            self.codes.reload(db)
            return error
        db.execute("RELEASE step")
        return openings

    def _append_all(self, db: sqlite3.Connection, appends: list[Append], head: Head, now_ms: int) -> list[list[int]]:
        calls = [call for append in appends for call in append.calls]
        hashes = self.dedupe.hashes_of(calls)
        taken = self.dedupe.taken(db, hashes, now_ms) if calls else set()
        new, positions = self._place(hashes, taken, head)
        rest = iter(positions)
        found = [list(itertools.islice(rest, len(append.calls))) for append in appends]
        if new:
            first = head.pos - len(new) + 1
            insert_events(db, first, map(_stored, appends, found))
            self.dedupe.add(new, range(first, head.pos + 1))
            self._remember_sources(db, {call.source for call in calls})
        self._fold(db, appends, found)
        violation_rows.add(db, zip(calls, positions, strict=True))
        discards = [discard for append in appends for discard in append.discards]
        if discards:
            head.discarded += sum(discard.n for discard in discards)
            _write_discards(db, discards)
        return found

    def _place(self, hashes: list[int], taken: set[int], head: Head) -> tuple[list[int], list[int]]:
        """The hashes that are new, and a position for every event: 0 for a duplicate, also within the group."""
        before = head.pos
        if not taken and len(set(hashes)) == len(hashes):
            head.pos += len(hashes)
            return hashes, list(range(before + 1, head.pos + 1))
        new, positions = [], []
        for hashed in hashes:
            if hashed in taken:
                positions.append(0)
                continue
            taken.add(hashed)
            new.append(hashed)
            positions.append(before + len(new))
        head.pos += len(new)
        head.duplicates += len(hashes) - len(new)
        return new, positions

    def _fold(self, db: sqlite3.Connection, appends: list[Append], positions: list[list[int]]) -> None:
        """Tell the directory what the new events say."""
        view = DirectoryRows(db)
        for append, found in zip(appends, positions, strict=True):
            if not any(append.facts):
                continue
            for facts, pos in zip(append.facts, found, strict=True):
                if facts is not None and pos:
                    fold(view, pos, facts)


def _stored(append: Append, positions: Sequence[int]) -> Sequence[Call]:
    """The calls of an append that are no duplicates."""
    if 0 not in positions:
        return append.calls
    return [call for call, pos in zip(append.calls, positions, strict=True) if pos]


def _written(commits: Sequence[Commit]) -> tuple[Iterable[Sized], Iterable[Sized]]:
    """The late outcomes, and the attempts, of each step."""
    return [commit.step.late for commit in commits], [commit.step.attempts for commit in commits]


def _write_discards(db: sqlite3.Connection, discards: list[Discard]) -> None:
    rows = [(PART, d.at, d.source, d.code, d.message, d.message_id, d.type, d.excerpt) for d in discards]
    db.executemany(
        "INSERT INTO discard (part, at, source, code, message, message_id, type, excerpt) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        rows,
    )
    db.executemany(
        "INSERT INTO discard_count VALUES (?, ?, ?, ?) ON CONFLICT (part, source, code) DO UPDATE SET n = n + excluded.n",
        [(PART, d.source, d.code, d.n) for d in discards],
    )
    newest = db.execute("SELECT max(id) FROM discard").fetchone()[0]
    db.execute("DELETE FROM discard WHERE id <= ?", (newest - KEPT_DISCARDS,))
