"""The newest events of a person: under their userId, and under the anonymousIds that were joined to it.

The log has no index of people, so this walks back from the newest event and stops after a bounded number; the answer says how far it
came. Events that wait at a destination are found by their rows, however old they are.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Any

from router.clock import to_iso
from router.store import search_bounds
from router.store.event_words import NOTHING_LEFT, event_told, read_words
from router.store.rows import PART, LogRow
from router.store.sqlite.event_columns import key_list
from router.store.sqlite.queries.events import COLUMNS
from router.store.sqlite.queries.fates import fate_of
from router.store.sqlite.queries.waiting_of import waiting_of

OF_KEYS = (
    "SELECT pos, received_at, source, type, user_key, message_id, body FROM log WHERE pos > ? AND pos < ?"
    " AND user_key IN (SELECT value FROM json_each(?)) ORDER BY pos DESC LIMIT ?"
)
GROUP_THEN = "SELECT group_id FROM membership WHERE part = ? AND user_key = ? AND pos <= ? ORDER BY pos DESC LIMIT 1"
ONE = f"SELECT pos, {', '.join(COLUMNS)} FROM (SELECT pos, {', '.join(COLUMNS)} FROM log UNION ALL SELECT pos, {', '.join(COLUMNS)} FROM kept) WHERE pos = ?"


class EventsOf:
    """One search, a slice at a time: `begin`, then `look_on` until it `is_over`, then `answer`."""

    def __init__(self, keys: Sequence[str], destinations: Sequence[str], before: int | None, limit: int) -> None:
        """`destinations`: those whose states are told."""
        self.is_over = False
        self._keys, self._destinations, self._before, self._limit = tuple(keys), tuple(destinations), before, limit
        self._rows: dict[int, tuple[Any, ...]] = {}
        self._items: list[dict[str, Any]] = []
        self._waiting: list[int] = []
        self._at = self._low = self._looked_at = 0
        self._searched_to: int | None = None

    def begin(self, db: sqlite3.Connection) -> None:
        """Where it starts, where the log ends, and what waits."""
        head = db.execute("SELECT pos FROM head WHERE part = ?", (PART,)).fetchone()[0]
        self._at = head + 1 if self._before is None else min(self._before, head + 1)
        self._low = db.execute("SELECT coalesce(min(pos), 1) FROM log").fetchone()[0] - 1
        self._waiting = waiting_of(db, self._keys, self._destinations, 0, self._at, self._limit)
        self.is_over = self._at <= self._low + 1

    def look_on(self, db: sqlite3.Connection) -> None:
        """Look at the next slice."""
        low = max(self._low, self._at - 1 - search_bounds.SLICE)
        for row in db.execute(OF_KEYS, (low, self._at, key_list(list(self._keys)), self._limit - len(self._rows))):
            self._rows[row[0]] = row
        if len(self._rows) >= self._limit:
            low = min(self._rows) - 1
        self._looked_at += search_bounds.SLICE
        self._at = low + 1
        oldest = db.execute("SELECT received_at FROM log WHERE pos >= ? ORDER BY pos LIMIT 1", (self._at,)).fetchone()
        self._searched_to = oldest[0] if oldest else None
        done = len(self._rows) >= self._limit or self._looked_at >= search_bounds.LOOK_BACK
        self.is_over = done or self._at <= self._low + 1

    def finish(self, db: sqlite3.Connection) -> None:
        """Add what waits and is older than what was looked at, and the state of each."""
        for pos in self._waiting:
            if len(self._rows) >= self._limit:
                break
            row = db.execute(ONE, (pos,)).fetchone() if pos not in self._rows else None
            if row is not None and row[4] in self._keys:
                self._rows[pos] = row
        self._items = [self._told(db, self._rows[pos]) for pos in sorted(self._rows, reverse=True)]

    def answer(self) -> dict[str, Any]:
        """Newest first. `next`: where there may be more, to be asked for as `before`. `searched_to`: the instant down to which it
        has looked; `gave_up`: the log goes further back."""
        more = self._at > self._low + 1
        return {
            "items": self._items,
            "next": self._at if more else None,
            "searched_to": to_iso(self._searched_to) if self._searched_to is not None else None,
            "gave_up": more and len(self._items) < self._limit,
        }

    def _told(self, db: sqlite3.Connection, values: tuple[Any, ...]) -> dict[str, Any]:
        pos, received_at, source, type_, user_key, message_id, body = values
        name, group_id = read_words(bytes(body or NOTHING_LEFT))
        if group_id is None:
            then = db.execute(GROUP_THEN, (PART, user_key, pos)).fetchone()
            group_id = (then[0] or None) if then else None  # empty: it was forgotten
        fates = {place: fate for place in self._destinations if (fate := fate_of(db, place, pos))}
        row = LogRow(pos, received_at, source, type_, user_key, message_id, body)
        return event_told(row, name, group_id, fates)
