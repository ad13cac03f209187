"""Which message ids were accepted: keyed hashes, the newest ones in memory, then in runs, the oldest in a table.

Hashes are random, so each that goes into an index alone dirties a page of it. What is in memory becomes a run, which is written once: 12 bytes
an id and the pages it shares with other runs, 0.3 KB an event. An index over 4 million ids, into which 60,000 were merged at a time, took 2.8 KB.
What is in memory is rebuilt from the log.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence

from router.store.keyed_hash import CallHasher, keyed_hash
from router.store.rows import PART
from router.store.sqlite.event_columns import key_list
from router.store.sqlite.id_generations import IdGenerations, put_into_table

MERGE_AT = 16_384
"""Hashes that become a run together. It takes 11 ms of one transaction to make it, and a start reads as many again from the log, 2 us each."""
FEW = 4_096
"""Less than these go into the table where they cannot wait."""


class Dedupe:
    """Lives in the writing thread. A hash counts as a duplicate inside the window; as an index behind `why` it stays."""

    def __init__(self, key: bytes, window_ms: int) -> None:
        self._key, self._window_ms = key, window_ms
        self.hashes_of = CallHasher(key)
        self._recent: dict[int, int] = {}  #: hash: position; what is in no run and not in the table
        self._generations = IdGenerations()
        self._table_until: int | None = 0  #: ms; how long the table may have ids of the window. None: nobody has looked

    def hash_of(self, source: str, message_id: str) -> int:
        """Keyed 64-bit hash of a message id within its source."""
        return keyed_hash(self._key, source, message_id)

    def load(self, db: sqlite3.Connection) -> None:
        """Read what is stored, and what the log has beyond: at the start, and after a rollback."""
        merged, clock, has_table = db.execute(
            "SELECT merged, clock, EXISTS (SELECT 1 FROM seen) FROM head WHERE part = ?", (PART,)
        ).fetchone()
        beyond = db.execute("SELECT pos, source, message_id FROM log WHERE pos > ? ORDER BY pos", (merged,))
        self._recent = {self.hash_of(source, message_id): pos for pos, source, message_id in beyond}
        self._generations.load(db, clock - self._window_ms)
        self._table_until = None if has_table else 0

    def add(self, hashes: Iterable[int], positions: Iterable[int]) -> None:
        """Events are accepted."""
        self._recent.update(zip(hashes, positions, strict=True))

    def taken(self, db: sqlite3.Connection, hashes: Sequence[int], now_ms: int) -> set[int]:
        """Which of these were accepted inside the window."""
        since = now_ms - self._window_ms
        found = [(hashed, self._recent[hashed]) for hashed in self._recent.keys() & hashes]
        if self._table_until is None:
            self._table_until = now_ms + self._window_ms
        if now_ms < self._table_until:
            sql = "SELECT hash, pos FROM json_each(?) asked CROSS JOIN seen ON hash = asked.value"
            found += db.execute(sql, (key_list(hashes),)).fetchall()
        in_runs = self._generations.taken(db, hashes, since, lambda pos: bool(_newer(db, [pos], since)))
        newer = _newer(db, [pos for _, pos in found], since) if found else ()
        return in_runs.union(hashed for hashed, pos in found if pos in newer)

    def merge(self, db: sqlite3.Connection, at_ms: int, appended: int = 0) -> None:
        """Make a run of what is in memory once there is enough of it. `at_ms`: nothing was accepted later."""
        if len(self._recent) >= MERGE_AT:
            self._make_run(db, at_ms)
        if self._generations.move_on(db, appended):
            self._table_until = at_ms + self._window_ms

    def merge_all(self, db: sqlite3.Connection, at_ms: int) -> None:
        """Leave nothing in memory: the log is about to lose message ids, from which memory is rebuilt."""
        if len(self._recent) >= FEW:
            self._make_run(db, at_ms)
        elif self._recent:
            put_into_table(db, self._recent)
            self._table_until = at_ms + self._window_ms
            self._empty(db, max(self._recent.values()))

    def _make_run(self, db: sqlite3.Connection, at_ms: int) -> None:
        self._empty(db, self._generations.add(db, self._recent, at_ms, at_ms - self._window_ms))

    def _empty(self, db: sqlite3.Connection, merged: int) -> None:
        db.execute("UPDATE head SET merged = ? WHERE part = ?", (merged, PART))
        self._recent = {}


def _newer(db: sqlite3.Connection, positions: Sequence[int], than_ms: int) -> set[int]:
    """Those of these events that the log has, and that were accepted later."""
    sql = "SELECT pos FROM log WHERE pos IN (SELECT value FROM json_each(?)) AND received_at > ?"
    return {pos for (pos,) in db.execute(sql, (key_list(positions), than_ms))}
