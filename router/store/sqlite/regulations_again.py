"""Regulations that the file beside the store has and the store has not: an older copy of the store was put back. They are recorded once
more, so that people and groups that were forgotten since that copy are forgotten in it, and who is suppressed stays suppressed.

What is to be done follows from the two files alone, and each regulation is recorded in the transaction that begins it. So nothing is
lost wherever a restore or a start ends, and a copy that was put back by hand is treated in the same way.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterable, Iterator
from datetime import datetime
from itertools import chain

from router.store.regulation import Regulation, Step
from router.store.rows import PART
from router.store.sqlite import forget_groups, regulation_rows
from router.store.sqlite.event_columns import key_list
from router.store.sqlite.forget_begin import start_erasing
from router.store.sqlite.regulation_file import Line
from router.store.suppressions import Suppressions

KEYED = {
    "log": ("user_key",), "kept": ("user_key",), "person": ("user_key",), "membership": ("user_key",),
    "link": ("user_key", "anonymous_key"), "consent": ("user_key",), "lane": ("user_key", "need", "also"),
    "parked": ("user_key", "'u:' || linked"), "dead": ("user_key", "'u:' || linked"), "supply": ("user_key",),
    "opening": ("need",), "timer": ("user_key",),
}  # fmt: skip
"""Where the store has user keys."""
GROUPED = {"company": "group_id", "membership": "group_id", "supply": "group_id", "lane": "group_id"}
"""Where it has groups, beside the events."""


def unknown(db: sqlite3.Connection, lines: Iterable[Line], key: str) -> list[Line]:
    """The lines that the store has no record of, oldest first. `key`: of its hashes; a line of another key says nothing about it."""
    known = {one for (one,) in db.execute("SELECT id FROM regulation WHERE part = ?", (PART,))}
    missing = {line.id: line for line in lines if line.id not in known and line.key in ("", key)}
    return sorted(missing.values(), key=lambda line: line.at)


def find_subjects(db: sqlite3.Connection, lines: Collection[Line], suppressions: Suppressions) -> dict[str, str]:
    """Hash (hex) -> user key, or "g:<groupId>", of whom these lines forget and the store still has. Reads every user key: 2.5 s for
    300,000 users and 600,000 events, measured. Where a group is to be found it opens every event that may name one."""
    deleting = [line for line in lines if line.deletes]
    wanted = {one for line in deleting for one in line.hashes}
    if not wanted:
        return {}
    groups = _group_keys(db) if any(line.subject_type == "GROUP_ID" for line in deleting) else ()
    hashed = ((suppressions.hash_of(key).hex(), key) for key in chain(_user_keys(db), groups))
    return {one: key for one, key in hashed if one in wanted}


def _user_keys(db: sqlite3.Connection) -> Iterator[str]:
    parts = [
        f"SELECT {column} FROM {table} WHERE part = {PART}" for table, columns in KEYED.items() for column in columns
    ]
    for (key,) in db.execute(" UNION ".join(parts)):
        if key and key[:2] in ("u:", "a:"):
            yield key


def _group_keys(db: sqlite3.Connection) -> Iterator[str]:
    parts = [f"SELECT {column} FROM {table} WHERE part = {PART}" for table, column in GROUPED.items()]
    stored = (group for (group,) in db.execute(" UNION ".join(parts)))
    return (f"g:{group}" for group in chain(stored, forget_groups.logged_ids(db)) if group)


def begin_again(db: sqlite3.Connection, line: Line, found: dict[str, str], now_ms: int) -> Regulation:
    """Record a regulation of the file in the store, with what it does at once."""
    at_ms = int(datetime.fromisoformat(line.at).timestamp() * 1000)
    subjects = len(line.named) or 1
    regulation = Regulation(
        line.id, line.kind, line.subject_type, subjects, at_ms, _bound(db, at_ms), Step.DONE, line.hashes, line.named, line.key
    )  # fmt: skip
    if line.suppresses:
        regulation_rows.suppress(db, line.owners(), at_ms)
    if line.unsuppresses:
        regulation_rows.unsuppress(db, [*{owner for _, owner in line.owners()}])
    regulation.keys = [found[one] for one in line.hashes if one in found] if line.deletes else []
    if regulation.keys:
        regulation.count(directory=_erase_links(db, regulation.keys))
        start_erasing(db, regulation)
    else:
        regulation.finished_at = now_ms
        regulation_rows.write(db, regulation)
    return regulation


def _erase_links(db: sqlite3.Connection, keys: Collection[str]) -> int:
    """The line has the anonymousIds that were known when it was written; this copy may have joined others, before or after that. Reads every
    link: nobody waits, as nothing runs yet. Returns how many it erased."""
    sql = "DELETE FROM link WHERE part = ? AND user_key IN (SELECT value FROM json_each(?))"
    return db.execute(sql, (PART, key_list([*keys]))).rowcount


def _bound(db: sqlite3.Connection, at_ms: int) -> int:
    """The newest event that was accepted before the demand."""
    (head,) = db.execute("SELECT pos FROM head WHERE part = ?", (PART,)).fetchone()
    older = "SELECT pos FROM log WHERE received_at <= ? ORDER BY pos DESC LIMIT 1"
    if row := db.execute(older, (at_ms,)).fetchone():
        return int(row[0])
    (first,) = db.execute("SELECT min(pos) FROM log").fetchone()
    return int(head if first is None else first - 1)
