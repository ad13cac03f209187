"""Stores that are copied, and what they hold."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec

from router.store.copy import Copied, copy
from router.store.copy.postgres_source import open_postgres_source
from router.store.copy.postgres_target import open_postgres_target
from router.store.copy.sqlite_source import open_sqlite_source
from router.store.copy.sqlite_target import open_sqlite_target
from router.store.keyed_hash import keyed_hash
from router.store.regulation import Regulation, Step
from router.store.sqlite import id_runs
from tests.contract import old_stores

SCHEMA = old_stores.SCHEMAS[-1]
NOW_MS = old_stores.WRITTEN_MS
HASH, ANOTHER = b"\x01" * 32, b"\x02" * 32
UNDER_WAY = Regulation(
    "reg-2",
    "DELETE_ONLY",
    "USER_ID",
    1,
    NOW_MS,
    20,
    Step.LOG,
    [HASH.hex()],
    keys=["u:gone"],
    people=[["u:gone"]],
    pos=11,
)
DONE = Regulation("reg-1", "SUPPRESS_ONLY", "USER_ID", 1, NOW_MS, 5, Step.DONE, [HASH.hex()], finished_at=NOW_MS)
FILLED: dict[str, list[tuple[Any, ...]]] = {
    "discard": [(0, 7, NOW_MS, "website", "invalid", "why \x00", "m", "track", "{}")],
    "discard_count": [(0, "website", "invalid", 8)],
    "violation": [(0, "website", "Opened", "required", "n", "n is missing", 3, 1, 2, '["a","b"]')],
    "consent": [(0, "u:user1", b'{"ads":[false,4]}', 4)],
    "kept": [
        (0, 1, 17, 5, "website", "track", "u:user1", "kept-1", b"{}\n{}"),
        (0, 2, 18, 5, "website", "track", "", "", None),
    ],
    "woken": [(0, "d", -5, 6, "website", "track", "w", b"{}\n{}")],
    "replay": [(0, "d", b'{"state":"running"}', "running", "span", 3)],
    "disabled": [(0, "d", 1, 2), (0, "d", 3, 0)],
    "opening": [(0, "d", "g:acme", "u:user3")],
    "supply": [(0, "d", 9, "u:user3", "acme", '["id"]')],
    "state": [(0, "d", "k", b"1")],
    "timer": [(0, "d", "k", NOW_MS + 5, "u:user3")],
    "counted": [(0, 60, "source", "website", NOW_MS, b"{}")],
    "outcome": [(0, "d", 12, 8, 1, 77)],
    "person": [(0, "u:user1", b'{"email":"Ada@example.com"}')],
    "link": [(0, "a:x", 3, "u:user1"), (0, "a:x", 5, "u:user2")],
    "regulation": [(0, one.id, one.created_at, msgspec.json.encode(one)) for one in (DONE, UNDER_WAY)],
    "suppressed": [(0, HASH, HASH + ANOTHER, 4), (0, ANOTHER, ANOTHER, 5)],
}
"""Rows for tables that the store of this schema has none in."""


def filled(folder: Path) -> Path:
    """A store that has rows in every table: the one of this schema, with events of a person who was forgotten."""
    folder.mkdir(exist_ok=True)
    path = old_stores.unpack(SCHEMA, folder)
    with closing(sqlite3.connect(path)) as db:
        for table, rows in FILLED.items():
            if not db.execute(f"SELECT 1 FROM {table} LIMIT 1").fetchone():
                db.executemany(f"INSERT INTO {table} VALUES ({', '.join('?' * len(rows[0]))})", rows)
        db.execute("INSERT OR REPLACE INTO meta VALUES ('members:reg-2', ?), ('notices', ?)", (b'["u:x","u:y"]', b"{}"))
        (key,) = db.execute("SELECT value FROM meta WHERE key = 'hash_key'").fetchone()
        (merged,) = db.execute("SELECT merged FROM head").fetchone()
        events = db.execute("SELECT pos, source, message_id FROM log ORDER BY pos").fetchall()
        few = [(0, keyed_hash(key, source, id), pos) for pos, source, id in events if pos > merged]
        db.executemany("INSERT INTO seen VALUES (?, ?, ?)", few)
        db.execute("UPDATE head SET merged = pos")
        for pos in (events[0][0], events[-1][0]):  # the id of one is in a run, that of the other in the table
            db.execute("UPDATE log SET user_key = '', message_id = '', body = x'' WHERE pos = ?", (pos,))
        db.commit()
    return path


def contents(path: Path) -> dict[str, list[tuple[Any, ...]]]:
    """All rows of a file, by table, but for what a copy makes anew: the index of message ids, and sums of attempts."""
    with closing(sqlite3.connect(path)) as db:
        names = [name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")]
        found = {name: sorted(db.execute(f"SELECT * FROM {name}").fetchall(), key=repr) for name in names}
    found["meta"] = [row for row in found["meta"] if row[0] != "sweep_kept"]
    found["head"] = [row[:-1] for row in found["head"]]
    found["attempt"] = [row[:-1] for row in found["attempt"]]
    for name in ("seen", "seen_run", "seen_piece", "seen_filter"):
        del found[name]
    return found


def seen(path: Path) -> dict[int, int]:
    """Which position each hash of a message id leads to."""
    with closing(sqlite3.connect(path)) as db:
        found = dict(db.execute("SELECT hash, pos FROM seen"))
        for runs in id_runs.read(db):
            for hashes, positions in id_runs.entries(db, runs.values()):
                for hashed, pos in zip(hashes, positions, strict=True):
                    found[hashed] = max(pos, found.get(hashed, 0))
        return found


class Quiet:
    """Implements `Progress`. `at_part`: raises KeyboardInterrupt when this part begins."""

    def __init__(self, at_part: str = "") -> None:
        self.parts: list[str] = []
        self._at_part = at_part

    def begin(self, what: str, size: int) -> None:
        if what == self._at_part:
            raise KeyboardInterrupt
        self.parts.append(what)

    def at(self, done: int) -> None:
        pass


async def into_database(path: Path, dsn: str, progress: Quiet | None = None) -> Copied:
    """Copy a file into a database."""
    async with (
        open_sqlite_source(path) as source,
        open_postgres_target(dsn, "the database", NOW_MS, needs_fsync=False) as target,
    ):
        return await copy(source, target, progress or Quiet())


async def into_file(dsn: str, path: Path, progress: Quiet | None = None) -> Copied:
    """Copy a database into a file."""
    async with open_postgres_source(dsn, "the database") as source, open_sqlite_target(path, NOW_MS) as target:
        return await copy(source, target, progress or Quiet())
