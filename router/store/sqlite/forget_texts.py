"""Erase texts that name a person: what a vendor answered, excerpts of calls that could not be used. A vendor's answer to a batch
may name anybody in it, so all of these texts are looked through. Runs in the writing thread; `find` in a reading one's.
"""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Iterable, Iterator

from router.store.forgotten import ids_of
from router.store.rows import PART

SHORT = 4
"""An id of fewer characters counts only where it stands as a value: in quotes, or as a number behind a colon. Else each `1` would."""
GONE = "(forgotten)"
_TOKEN = re.compile(r"[\w-]+")
TEXTS = {
    "discard": ("message_id", "message", "excerpt"),
    "attempt": ("error", "request"),
    "dead": ("detail",),
}
"""Tables, and their columns of somebody's words."""
LEFT = {
    "discard": "''",
    "attempt": "''",
    "dead": f"substr('{GONE}' || printf('%*s', length(detail), ''), 1, length(detail))",
}
"""What is put in their place. A dead letter keeps its length: its size is counted."""
ROW = {"discard": "id", "attempt": "rowid", "dead": "destination, pos"}

Found = dict[str, list[tuple[object, ...]]]
"""By table: what tells its rows apart."""


class Names:
    """Finds the ids in user keys, as a text or JSON may spell them. The time for a text does not grow with the number of ids: only
    ids whose first word stands in the text are looked for."""

    def __init__(self, keys: Iterable[str]) -> None:
        self._by_token: dict[str, list[str]] = {}
        for word in dict.fromkeys(spelling for name in ids_of(keys) for spelling in _spellings(name)):
            first = _TOKEN.search(word)
            self._by_token.setdefault(first[0] if first else "", []).append(word)

    def are_in(self, text: str) -> bool:
        """Whether a text names one of them. A short id may also be the whole of it."""
        tokens = self._by_token.keys() & {"", *_TOKEN.findall(text)}
        quoted = f'"{text}"'
        return any(word in text and _pattern(word).search(quoted) for token in tokens for word in self._by_token[token])


def _spellings(name: str) -> Iterator[str]:
    yield name
    for is_ascii in (False, True):
        yield json.dumps(name, ensure_ascii=is_ascii)[1:-1]


def _pattern(word: str) -> re.Pattern[str]:
    escaped = re.escape(word)
    if len(word) < SHORT:
        return re.compile(f'"{escaped}"|:\\s*{escaped}(?=[,}}\\s"])')
    return re.compile(f"(?<![\\w-]){escaped}(?![\\w-])")


def find(db: sqlite3.Connection, keys: Iterable[str]) -> Found:
    """The rows with a text that names one of these people."""
    names = Names(keys)
    found: Found = {}
    for table, columns in TEXTS.items():
        key = ROW[table]
        width = key.count(",") + 1
        for row in db.execute(f"SELECT {key}, {', '.join(columns)} FROM {table} WHERE part = ?", (PART,)):
            if any(names.are_in(text) for text in row[width:]):
                found.setdefault(table, []).append(row[:width])
    return found


def erase(db: sqlite3.Connection, found: Found) -> int:
    """Empty these texts. Returns in how many rows."""
    for table, rows in found.items():
        sets = ", ".join(f"{column} = {LEFT[table]}" for column in TEXTS[table])
        where = " AND ".join(f"{column} = ?" for column in ROW[table].split(", "))
        db.executemany(f"UPDATE {table} SET {sets} WHERE part = ? AND {where}", [(PART, *row) for row in rows])
    return sum(map(len, found.values()))
