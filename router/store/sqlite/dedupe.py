"""Which message ids were accepted: keyed hashes in an index by generation, the newest ones in memory.

Random keys dirty one page of the index each, so new hashes stay in memory and are merged sorted, a slice a commit: measured
1.3 times the ingest of an insert with every group, and half the bytes written. What is in memory is rebuilt from the log.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence

from router.store.keyed_hash import CallHasher, keyed_hash
from router.store.rows import PART
from router.store.sqlite.bulk_insert import insert_many
from router.store.sqlite.event_columns import key_list

MERGE_AT, MERGE_SLICE = 60_000, 2_000
"""Hashes that are merged together, and a slice of them. The more go together, the more share a page of the index: over 4 million entries
60,000 write 2.8 KB an event, 20,000 wrote 7.2, and 100,000 would write 1.8. But a start reads them again from the log, 2 us each."""


class Dedupe:
    """Lives in the writing thread. A hash counts as a duplicate inside the window; as an index behind `why` it stays."""

    def __init__(self, key: bytes, window_ms: int) -> None:
        self._key, self._window_ms = key, window_ms
        self.hashes_of = CallHasher(key)
        self._recent: dict[int, int] = {}  # hash: position; newer than what is being merged
        self._merging: dict[int, int] = {}  # what of it is not in the index yet
        self._order: list[int] = []  # the hashes of _merging, sorted, last first
        self._merging_to = 0  # the highest position that is being merged

    def hash_of(self, source: str, message_id: str) -> int:
        """Keyed 64-bit hash of a message id within its source."""
        return keyed_hash(self._key, source, message_id)

    def load(self, db: sqlite3.Connection) -> None:
        """Read what the log has beyond the index: at the start, and after a rollback."""
        self._merging, self._order = {}, []
        beyond = db.execute(
            "SELECT pos, source, message_id FROM log WHERE pos > (SELECT merged FROM head WHERE part = ?) ORDER BY pos",
            (PART,),
        )
        self._recent = {self.hash_of(source, message_id): pos for pos, source, message_id in beyond}

    def add(self, hashes: Iterable[int], positions: Iterable[int]) -> None:
        """Events are accepted."""
        self._recent.update(zip(hashes, positions, strict=True))

    def taken(self, db: sqlite3.Connection, hashes: Sequence[int], now_ms: int) -> set[int]:
        """Which of these were accepted inside the window."""
        found: list[tuple[int, int]] = db.execute(
            "SELECT hash, pos FROM json_each(?) asked CROSS JOIN seen ON hash = asked.value", (key_list(hashes),)
        ).fetchall()
        for known in (self._merging, self._recent):
            found += [(hashed, known[hashed]) for hashed in known.keys() & hashes]
        if not found:
            return set()
        newer = {
            pos
            for (pos,) in db.execute(
                "SELECT pos FROM log WHERE pos IN (SELECT value FROM json_each(?)) AND received_at > ?",
                (key_list([pos for _, pos in found]), now_ms - self._window_ms),
            )
        }
        return {hashed for hashed, pos in found if pos in newer}

    def merge(self, db: sqlite3.Connection, appended: int = 0, *, everything: bool = False) -> None:
        """Move a slice into the index, if there is enough to be worth it: twice what came in, so that memory never holds
        much more than MERGE_AT, whatever the load."""
        if not self._order:
            if len(self._recent) < (1 if everything else MERGE_AT):
                return
            self._merging, self._recent = self._recent, {}
            self._order = sorted(self._merging, reverse=True)
            self._merging_to = max(self._merging.values())
        count = len(self._order) if everything else max(MERGE_SLICE, 2 * appended)
        chosen, self._order[-count:] = self._order[: -count - 1 : -1], []
        insert_many(db, "INSERT OR REPLACE INTO seen", [(PART, hashed, self._merging.pop(hashed)) for hashed in chosen])
        if not self._order:
            db.execute("UPDATE head SET merged = ? WHERE part = ?", (self._merging_to, PART))
            self._merging = {}

    def merge_all(self, db: sqlite3.Connection) -> None:
        """Move everything into the index: the log is about to lose message ids, from which memory is rebuilt."""
        while self._recent or self._order:
            self.merge(db, everything=True)
