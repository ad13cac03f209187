"""Which message ids were accepted: keyed hashes in an index by generation, the newest ones in memory.

Random keys dirty one page of the index each, so new hashes stay in memory and are merged sorted, a slice a commit: measured
1.3 times the ingest of an insert with every group, and half the bytes written. What is in memory is rebuilt from the log.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterable, Sequence

import msgspec

from router.event import Call
from router.store.rows import PART
from router.store.sqlite.bulk_insert import insert_many

MERGE_AT, MERGE_SLICE = 20_000, 2_000

Accepted = tuple[int, int]
"""(position, when: ms)"""


class Dedupe:
    """Lives in the writing thread. A hash counts as a duplicate inside the window; as an index behind `why` it stays."""

    def __init__(self, key: bytes, window_ms: int) -> None:
        self._key, self._window_ms = key, window_ms
        self._recent: dict[int, Accepted] = {}  # newer than what is being merged
        self._merging: dict[int, Accepted] = {}
        self._order: list[int] = []  # hashes of _merging that are not in the index yet, sorted, last first

    def hash_of(self, source: str, message_id: str) -> int:
        """Keyed 64-bit hash of a message id within its source."""
        return keyed_hash(self._key, source, message_id)

    def hashes_of(self, calls: Iterable[Call]) -> list[int]:
        """The hashes of many calls."""
        key = self._key
        return [keyed_hash(key, call.source, call.message_id) for call in calls]

    def load(self, db: sqlite3.Connection) -> None:
        """Read what the log has beyond the index: at the start, and after a rollback."""
        self._recent, self._merging, self._order = {}, {}, []
        for pos, at, source, message_id in db.execute(
            "SELECT pos, received_at, source, message_id FROM log WHERE pos > (SELECT merged FROM head WHERE part = ?)",
            (PART,),
        ):
            self._recent[self.hash_of(source, message_id)] = (pos, at)

    def add(self, hashes: Iterable[int], positions: Iterable[int], now_ms: int) -> None:
        """Events are accepted."""
        self._recent.update(zip(hashes, ((pos, now_ms) for pos in positions), strict=True))

    def taken(self, db: sqlite3.Connection, hashes: Sequence[int], now_ms: int) -> set[int]:
        """Which of these were accepted inside the window."""
        since = now_ms - self._window_ms
        asked = set(hashes)
        taken = {h for h in asked & self._recent.keys() if self._recent[h][1] > since}
        taken |= {h for h in asked & self._merging.keys() if self._merging[h][1] > since}
        stored = db.execute(
            "SELECT hash, pos FROM seen WHERE hash IN (SELECT value FROM json_each(?))",
            (msgspec.json.encode(hashes).decode(),),
        ).fetchall()
        for hashed, pos in stored:
            if hashed not in taken and _is_newer(db, pos, since):
                taken.add(hashed)
        return taken

    def merge(self, db: sqlite3.Connection, appended: int = 0, *, everything: bool = False) -> None:
        """Move a slice into the index, if there is enough to be worth it: twice what came in, so that memory stays bounded
        by twice MERGE_AT, whatever the load."""
        if not self._order:
            if len(self._recent) < (1 if everything else MERGE_AT):
                return
            self._merging, self._recent = self._recent, {}
            self._order = sorted(self._merging, reverse=True)
        count = len(self._order) if everything else max(MERGE_SLICE, 2 * appended)
        chosen = [self._order.pop() for _ in range(min(count, len(self._order)))]
        insert_many(db, "INSERT OR REPLACE INTO seen", [(PART, h, self._merging[h][0]) for h in chosen])
        if not self._order:
            merged = max(pos for pos, _ in self._merging.values())
            db.execute("UPDATE head SET merged = ? WHERE part = ?", (merged, PART))
            self._merging = {}

    def merge_all(self, db: sqlite3.Connection) -> None:
        """Move everything into the index: the log is about to lose message ids, from which memory is rebuilt."""
        while self._recent or self._order:
            self.merge(db, everything=True)


def _is_newer(db: sqlite3.Connection, pos: int, since_ms: int) -> bool:
    row = db.execute("SELECT received_at FROM log WHERE pos = ?", (pos,)).fetchone()
    return row is not None and row[0] > since_ms


def keyed_hash(key: bytes, source: str, message_id: str) -> int:
    """Keyed 64-bit hash of a message id within its source. Keyed, so that nobody can choose ids that collide."""
    text = f"{source}\0{message_id}".encode()
    return int.from_bytes(hashlib.blake2b(text, digest_size=8, key=key).digest(), "little", signed=True)
