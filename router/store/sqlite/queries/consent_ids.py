"""Which consent categories the newest events name, whatever they say of them."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from typing import Any

from router.consent import read_preferences
from router.event import normalize_event

SLICE = 5_000
"""Positions looked through in one reading: a long one would keep the WAL from being reused."""
MOST_IDS = 1_000
"""Different ids that are told of at most: who sends them may send any number."""


class ConsentIds:
    """Looks back through the retained events, slice after slice."""

    def __init__(self, most: int) -> None:
        self._left = most
        self._before = 0  #: looked through from this position on
        self.events = 0  #: looked through so far
        self.named: set[str] = set()
        self.is_over = False

    def look_on(self, db: sqlite3.Connection) -> None:
        """Look through the next slice."""
        newest = db.execute("SELECT max(pos), min(pos) FROM log").fetchone()
        before = self._before or (newest[0] or 0) + 1
        first = max(before - min(SLICE, self._left), 0)
        # Events without either word are counted and not opened: a third of the time.
        for source, type, message_id, received_at, body in db.execute(
            "SELECT source, type, message_id, received_at, body FROM log WHERE pos >= ? AND pos < ?", (first, before)
        ):
            self.events += 1
            if b"onsent" in body:
                self._open(normalize_event(source, type, message_id, received_at, body).payload)
        self._left -= before - first
        self._before = first
        self.is_over = self._left <= 0 or newest[0] is None or first <= newest[1] or len(self.named) >= MOST_IDS

    def _open(self, call: Mapping[str, Any]) -> None:
        preferences = read_preferences(call)
        if preferences is not None:
            self.named.update(id for id in preferences.named if id)
