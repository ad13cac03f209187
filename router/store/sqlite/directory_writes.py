"""The rows of the directory as folding sees them, inside the accepting transaction. Runs in the writing thread.

Each look-up reads one row by index, however long the history of a user is.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence

import msgspec

from router.store.folding import Traits, fold_late
from router.store.rows import NO_GROUP, PART, DirectoryUpdate
from router.store.sqlite import preference_rows
from router.store.sqlite.regulation_rows import read_under_way

_decode = msgspec.json.decode
_encode = msgspec.json.encode


class DirectoryRows:
    """Implements `folding.View`."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def person(self, user_key: str) -> Traits | None:
        """Merged traits of a user."""
        sql = "SELECT traits FROM person WHERE part = ? AND user_key = ?"
        row = self._db.execute(sql, (PART, user_key)).fetchone()
        return _decode(row[0]) if row else None

    def put_person(self, user_key: str, traits: Traits) -> None:
        """Replace them."""
        self._db.execute("INSERT OR REPLACE INTO person VALUES (?, ?, ?)", (PART, user_key, _encode(traits)))

    def company(self, group_id: str) -> tuple[Traits, dict[str, int]] | None:
        """Merged traits of a group, and the position of the call that first told each."""
        sql = "SELECT traits, since FROM company WHERE part = ? AND group_id = ?"
        row = self._db.execute(sql, (PART, group_id)).fetchone()
        return (_decode(row[0]), _decode(row[1])) if row else None

    def put_company(self, group_id: str, traits: Traits, since: Mapping[str, int]) -> None:
        """Replace them."""
        values = (PART, group_id, _encode(traits), _encode(since))
        self._db.execute("INSERT OR REPLACE INTO company VALUES (?, ?, ?, ?)", values)

    def membership(self, user_key: str) -> tuple[str, int] | None:
        """The newest membership of a user; None where that group was forgotten."""
        row: tuple[str, int] | None = self._db.execute(
            "SELECT group_id, call_pos FROM membership WHERE part = ? AND user_key = ? ORDER BY pos DESC LIMIT 1",
            (PART, user_key),
        ).fetchone()
        return None if row is None or row[0] == NO_GROUP else row

    def put_membership(self, user_key: str, pos: int, group_id: str, call_pos: int) -> None:
        """Add one that begins at a position."""
        values = (PART, user_key, pos, group_id, call_pos)
        self._db.execute("INSERT OR REPLACE INTO membership VALUES (?, ?, ?, ?, ?)", values)

    def link(self, anonymous_key: str) -> str | None:
        """The user an anonymousId was linked to last."""
        sql = "SELECT user_key FROM link WHERE part = ? AND anonymous_key = ? ORDER BY pos DESC LIMIT 1"
        row = self._db.execute(sql, (PART, anonymous_key)).fetchone()
        return None if row is None else str(row[0])

    def put_link(self, anonymous_key: str, pos: int, user_key: str) -> None:
        """Add a link that begins at a position."""
        self._db.execute("INSERT OR REPLACE INTO link VALUES (?, ?, ?, ?)", (PART, anonymous_key, pos, user_key))

    def tell_consent(self, user_key: str, pos: int, told: Mapping[str, bool]) -> None:
        """A user's preferences as of a position."""
        preference_rows.tell(self._db, user_key, pos, told)

    def take_over_consent(self, from_key: str, user_key: str, pos: int) -> None:
        """A user takes over the preferences of a key, as of a position."""
        preference_rows.take_over(self._db, from_key, user_key, pos)


def teach(db: sqlite3.Connection, updates: Sequence[tuple[int, DirectoryUpdate]]) -> None:
    """Fold what calls say that were accepted before."""
    view = DirectoryRows(db)
    bounds = {key: one.bound for one in read_under_way(db) for key in one.keys}
    for pos, update in updates:
        keys = (update.user_key, *(() if update.group_id is None else (f"g:{update.group_id}",)))
        if pos > max(bounds.get(key, -1) for key in keys):  # else it is being forgotten
            fold_late(view, pos, update)
