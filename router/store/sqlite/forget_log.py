"""Erase the bodies of people and groups in the log, and of what outlived it. `find_*` run in a reading connection's thread, a slice at a
time: the log has no index of users (0.1 s for 220,000 events of 1 kB, measured) nor of groups. The others run in the writing thread.

What is left of an event is when it came, from which source, of which type, and what became of it.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from itertools import islice

from router.event import VIOLATIONS_USER, named_groups, without_told_id
from router.store.forgotten import NOBODY, left_of
from router.store.regulation import Regulation
from router.store.rows import PART
from router.store.sqlite.dedupe import Dedupe
from router.store.sqlite.event_columns import key_list
from router.store.sqlite.forget_groups import MAY_NAME_ONE
from router.store.sqlite.violation_rows import forget_ids

LOOKED_THROUGH = 20_000
"""Positions of the log that one reading looks through."""
TOGETHER = 10_000
"""Positions behind an event where what was stored together with it may stand: the other events of its request, and what was forwarded of
them."""
SLICE = 500
"""Events that one transaction erases."""


def find_logged(db: sqlite3.Connection, regulation: Regulation) -> tuple[list[int], int]:
    """The next events of theirs in the log, and how far it was looked through."""
    first = db.execute("SELECT coalesce(min(pos), 1) FROM log").fetchone()[0]
    after = max(regulation.pos, first - 1)
    upto = min(regulation.bound, after + LOOKED_THROUGH)
    found = list(islice(_theirs(db, "log", regulation, after, upto), SLICE))
    return found, found[-1] if len(found) == SLICE else max(upto, min(after, regulation.bound))


def find_kept(db: sqlite3.Connection, regulation: Regulation) -> tuple[list[int], int]:
    """The same of what outlived the log."""
    after, bound = regulation.kept_pos, regulation.bound
    cut = db.execute(
        "SELECT pos FROM kept WHERE pos > ? AND pos <= ? ORDER BY pos LIMIT 1 OFFSET ?", (after, bound, LOOKED_THROUGH)
    ).fetchone()
    upto = cut[0] if cut else bound
    found = list(islice(_theirs(db, "kept", regulation, after, upto), SLICE))
    return found, found[-1] if len(found) == SLICE else upto


def _theirs(db: sqlite3.Connection, table: str, regulation: Regulation, after: int, upto: int) -> Iterator[int]:
    """The events of a span that are theirs, in order."""
    keys, groups = frozenset(regulation.keys), regulation.groups
    column, may_be = ("body", f" OR {MAY_NAME_ONE}") if groups else ("NULL", "")
    rows = db.execute(
        f"SELECT pos, user_key, {column} FROM {table} WHERE pos > ? AND pos <= ?"
        f" AND (user_key IN (SELECT value FROM json_each(?)){may_be}) ORDER BY pos",
        (after, upto, key_list(regulation.keys)),
    )
    for pos, user_key, body in rows:
        if user_key in keys or not groups.isdisjoint(named_groups(body or b"")):
            yield pos


def find_told_of(db: sqlite3.Connection, positions: Sequence[int]) -> list[tuple[int, bytes]]:
    """Violations that were forwarded of these events: where they stand, and what is left of each. They were stored together with the
    events, behind them."""
    ids = message_ids(db, positions)
    if not ids:
        return []
    where = "pos > ? AND pos <= ? AND user_key = ? AND body IS NOT NULL"
    span = (min(positions), max(positions) + TOGETHER, f"u:{VIOLATIONS_USER}")
    return [
        (pos, left)
        for table in ("log", "kept")
        for pos, body in db.execute(f"SELECT pos, body FROM {table} WHERE {where}", span)
        if (left := without_told_id(body, ids)) is not None
    ]


def message_ids(db: sqlite3.Connection, positions: Sequence[int]) -> frozenset[str]:
    """Of these events, as far as they are not erased yet."""
    sql = "SELECT message_id FROM {} WHERE pos IN (SELECT value FROM json_each(?))"
    rows = [row for table in ("log", "kept") for row in db.execute(sql.format(table), (key_list(positions),))]
    return frozenset(id for (id,) in rows if id)


def erase_told_of(db: sqlite3.Connection, found: Sequence[tuple[int, bytes]]) -> None:
    """Take the message ids out of these violations."""
    for table in ("log", "kept"):
        db.executemany(f"UPDATE {table} SET body = ? WHERE pos = ?", [(left, pos) for pos, left in found])


def erase_logged(
    db: sqlite3.Connection, positions: Sequence[int], dedupe: Dedupe, now_ms: int, *, with_groups: bool = False
) -> int:
    """Erase these events, `with_groups` also which group a group call told of. Returns how many there were. Their message ids are in the
    index before they go, as hashes: `why` finds them by those, and a client that sends one again is answered as before."""
    dedupe.merge_all(db, now_ms)
    erased = 0
    ids = []
    for pos in positions:
        row = db.execute("SELECT source, type, message_id, received_at, body FROM log WHERE pos = ?", (pos,)).fetchone()
        if row is not None:
            values = (NOBODY, NOBODY, b"" if with_groups else left_of(*row), pos)
            db.execute("UPDATE log SET user_key = ?, message_id = ?, body = ? WHERE pos = ?", values)
            ids.append(row[2])
            erased += 1
    forget_ids(db, ids)
    _erase_attempts(db, positions)
    return erased


def erase_kept(db: sqlite3.Connection, positions: Sequence[int]) -> int:
    """Erase these events. Returns how many there were."""
    rows = db.execute(
        "SELECT message_id FROM kept WHERE pos IN (SELECT value FROM json_each(?))", (key_list(positions),)
    )
    forget_ids(db, [id for (id,) in rows])
    sql = "UPDATE kept SET user_key = ?, message_id = ?, body = NULL WHERE pos = ?"
    erased = db.executemany(sql, [(NOBODY, NOBODY, pos) for pos in positions]).rowcount
    _erase_attempts(db, positions)
    return erased


def _erase_attempts(db: sqlite3.Connection, positions: Sequence[int]) -> None:
    names = [name for (name,) in db.execute("SELECT destination FROM cursor WHERE part = ?", (PART,))]
    rows = [(PART, name, pos) for name in names for pos in positions]
    db.executemany("DELETE FROM attempt WHERE part = ? AND destination = ? AND pos = ?", rows)
