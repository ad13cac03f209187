"""What a word from the search box may be: an event, a person, a group, a discarded call; and, where that is allowed, a trait."""

from __future__ import annotations

import sqlite3
from typing import Any

import msgspec

from router.clock import to_iso
from router.event import show_user_key
from router.store.rows import PART
from router.store.sqlite.queries.message import find
from router.store.sqlite.queries.profile import is_known, name_of

SLICE = 20_000
LOOK_AT = 200_000
"""People, and groups, whose traits are looked at, and in one go."""
MOST = 20
"""Of each kind that are shown."""

_json = msgspec.json.decode


def exact(db: sqlite3.Connection, word: str) -> dict[str, Any]:
    """What has exactly this id, by indexes; `since`: the oldest event that the log has."""
    found = find(db, word, None)
    people = [key for key in (f"u:{word}", f"a:{word}") if is_known(db, key)]
    group = db.execute("SELECT 1 FROM company WHERE part = ? AND group_id = ?", (PART, word)).fetchone()
    discarded = db.execute(
        "SELECT at, source, code, message FROM discard WHERE part = ? AND message_id = ? ORDER BY id DESC LIMIT 1",
        (PART, word),
    ).fetchone()
    oldest = db.execute("SELECT received_at FROM log ORDER BY pos LIMIT 1").fetchone()
    return {
        "events": [{"message_id": word, "source": found[1]}] if found else [],
        "people": [show_user_key(key) for key in people],
        "groups": [{"id": word, "name": name_of(db, word)}] if group else [],
        "discarded": _discarded(discarded),
        "since": to_iso(oldest[0]) if oldest else None,
    }


def _discarded(row: tuple[int, str, str, str] | None) -> dict[str, Any] | None:
    if row is None:
        return None
    at, source, code, message = row
    return {"at": to_iso(at), "source": source, "code": code, "message": message}


class ByTrait:
    """People by their e-mail address, or groups by their name: `look_on` until it `is_over`."""

    def __init__(self, table: str, column: str, trait: str, word: str) -> None:
        self.is_over = False
        self.found: list[tuple[str, str]] = []  #: (key, trait)
        self._table, self._column, self._trait, self._word = table, column, trait, word.casefold()
        self._after, self._looked_at = "", 0

    def look_on(self, db: sqlite3.Connection) -> None:
        """Look at the next slice."""
        rows = db.execute(
            f"SELECT {self._column}, traits FROM {self._table} WHERE part = ? AND {self._column} > ?"
            f" ORDER BY {self._column} LIMIT ?",
            (PART, self._after, SLICE),
        ).fetchall()
        named = f'"{self._trait}"'.encode()
        for key, traits in rows:
            if named in traits and self._is_it(value := _json(traits).get(self._trait)):
                self.found.append((key, str(value)))
        self._looked_at += len(rows)
        self._after = rows[-1][0] if rows else self._after
        self.is_over = len(rows) < SLICE or self._looked_at >= LOOK_AT or len(self.found) >= MOST

    def _is_it(self, value: Any) -> bool:
        return isinstance(value, str) and value.strip().casefold() == self._word
