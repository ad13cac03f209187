"""Who belongs to a group now. There is no index of groups, so this reads memberships in the order of user keys, up to a bound."""

from __future__ import annotations

import sqlite3
from typing import Any

from router.event import show_user_key
from router.store.rows import PART
from router.store.sqlite.queries.profile import call_at

SLICE = 50_000
LOOK_AT = 2_000_000
"""Memberships that are looked at in one go, and in all: 5 ms and 0.2 s."""

MEMBERS = (
    "SELECT m.user_key, m.call_pos FROM membership m WHERE m.part = ?1 AND m.user_key > ?2 AND m.user_key <= ?3 AND m.group_id = ?4"
    " AND NOT EXISTS (SELECT 1 FROM membership n WHERE n.part = ?1 AND n.user_key = m.user_key AND n.pos > m.pos)"
    " ORDER BY m.user_key LIMIT ?5"
)
LAST = "\U0010ffff"
"""Behind every user key."""


class Members:
    """One search, a slice at a time: `look_on` until it `is_over`, then `answer`."""

    def __init__(self, group_id: str, after: str, limit: int) -> None:
        self.is_over = False
        self._group_id, self._after, self._limit = group_id, after, limit
        self._found: list[dict[str, Any]] = []
        self._looked_at = 0
        self._next: str | None = None

    def look_on(self, db: sqlite3.Connection) -> None:
        """Look at the next slice."""
        end = db.execute(
            "SELECT user_key FROM membership WHERE part = ? AND user_key > ? ORDER BY user_key LIMIT 1 OFFSET ?",
            (PART, self._after, SLICE),
        ).fetchone()
        upto = end[0] if end else LAST
        left = self._limit - len(self._found)
        rows = db.execute(MEMBERS, (PART, self._after, upto, self._group_id, left + 1)).fetchall()
        for key, call_pos in rows[:left]:
            self._found.append({"user": show_user_key(key), "key": key, **call_at(db, call_pos)})
        self._looked_at += SLICE
        is_full = len(rows) > left
        if not is_full:
            self._after = upto
        elif left:
            self._after = rows[left - 1][0]
        self.is_over = is_full or end is None or self._looked_at >= LOOK_AT
        self._next = self._after if self.is_over and (is_full or end is not None) else None

    def answer(self) -> dict[str, Any]:
        """In order of user keys; `next`: where to go on, as `after`."""
        return {"members": self._found, "next": self._next}
