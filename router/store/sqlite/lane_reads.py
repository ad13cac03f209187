"""Blocked lanes and their parked events. Each function runs in a reading connection's thread."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from router.store.rows import ORDER_KEY_STEP, PART, LaneRow, ParkedRow, Slice
from router.store.sqlite.event_columns import PARKED, key_list
from router.vocabulary import Queue

LANE_COLUMNS = (
    "user_key, mode, need, reason, group_id, due_at, attempts, held, main, held_since, first_held, also, refused_pos"
)


def load(db: sqlite3.Connection, destination: str, user_keys: Sequence[str]) -> dict[str, LaneRow]:
    """The rows of those of these users who have one."""
    rows = db.execute(
        f"SELECT {LANE_COLUMNS} FROM lane WHERE part = ? AND destination = ? AND user_key IN (SELECT value FROM json_each(?))",
        (PART, destination, key_list(user_keys)),
    )
    return {values[0]: LaneRow(*values) for values in rows}


def parked(
    db: sqlite3.Connection, destination: str, wants: Sequence[tuple[str, str, int]], most: Slice
) -> list[tuple[list[ParkedRow], bool]]:
    """For each (user key, queue, place): rows behind that place, in order, one at least, and whether there may be more. Where those of the
    first ones take all there is room for, the others are left out."""
    found: list[tuple[list[ParkedRow], bool]] = []
    size = 0
    for want in wants:
        rows, taken, more = _parked(db, destination, *want, most)
        found.append((rows, more))
        size += taken
        if size >= most.bytes_in_all:
            break
    return found


def _parked(
    db: sqlite3.Connection, destination: str, user_key: str, queue: str, after: int, most: Slice
) -> tuple[list[ParkedRow], int, bool]:
    rows: list[ParkedRow] = []
    size = 0
    is_full = False
    cursor = db.execute(
        f"{PARKED} WHERE p.part = ? AND p.destination = ? AND p.user_key = ? AND queue = ? AND place > ?"
        " ORDER BY place LIMIT ?",
        (PART, destination, user_key, queue, after, most.rows),
    )
    for values in cursor:
        row = ParkedRow(*values)
        taken = len(row.body) + len(row.items or b"")
        is_full = bool(rows) and size + taken > most.bytes
        if is_full:
            break
        rows.append(row)
        size += taken
    cursor.close()
    return rows, size, is_full or len(rows) == most.rows


def due(db: sqlite3.Connection, destination: str, mode: str, now_ms: int, limit: int) -> list[str]:
    """User keys of lanes of this mode whose time has come, longest due first."""
    rows = db.execute(
        "SELECT user_key FROM lane WHERE part = ? AND destination = ? AND mode = ? AND due_at <= ? ORDER BY due_at LIMIT ?",
        (PART, destination, mode, now_ms, limit),
    )
    return [row[0] for row in rows]


def next_due(db: sqlite3.Connection, destination: str, mode: str, after_ms: int) -> int | None:
    """When the next lane of this mode is due, later than this."""
    row = db.execute(
        "SELECT min(due_at) FROM lane WHERE part = ? AND destination = ? AND mode = ? AND due_at > ?",
        (PART, destination, mode, after_ms),
    ).fetchone()
    return None if row[0] is None else int(row[0])


def held_since(db: sqlite3.Connection, destination: str, before_ms: int, limit: int) -> list[str]:
    """User keys of lanes that hold something since before an instant, longest first."""
    rows = db.execute(
        "SELECT user_key FROM lane WHERE part = ? AND destination = ? AND held > 0 AND need <> '' AND held_since < ?"
        " ORDER BY held_since LIMIT ?",
        (PART, destination, before_ms, limit),
    )
    return [row[0] for row in rows]


def has_any(db: sqlite3.Connection, destination: str) -> bool:
    """Whether any lane has a row."""
    where = "part = ? AND destination = ?"
    return db.execute(f"SELECT 1 FROM lane WHERE {where} LIMIT 1", (PART, destination)).fetchone() is not None


def stuck(db: sqlite3.Connection, destination: str, after: str, limit: int) -> list[str]:
    """User keys, behind this one, of lanes that wait for nothing and are never due."""
    rows = db.execute(
        "SELECT user_key FROM lane WHERE part = ? AND destination = ? AND due_at IS NULL AND (need = '' OR mode = 'retry')"
        " AND user_key > ? ORDER BY user_key LIMIT ?",
        (PART, destination, after, limit),
    )
    return [row[0] for row in rows]


def without_lane(
    db: sqlite3.Connection, destination: str, after: str, limit: int
) -> tuple[dict[str, tuple[int, int, int]], str | None]:
    """Of the next users with parked rows those who have no lane: held and main rows, and when the first one was held. And the
    last user looked at; None: there are no more."""
    users = db.execute(
        "WITH RECURSIVE user (key) AS (SELECT ?3 UNION ALL SELECT (SELECT min(user_key) FROM parked"
        "  WHERE part = ?1 AND destination = ?2 AND user_key > user.key) FROM user WHERE key IS NOT NULL LIMIT ?4 + 1)"
        " SELECT key, EXISTS (SELECT 1 FROM lane WHERE part = ?1 AND destination = ?2 AND user_key = key) FROM user"
        " WHERE key > ?3",
        (PART, destination, after, limit),
    ).fetchall()
    rows = "SELECT sum(queue = ?3), sum(queue <> ?3), coalesce(min(iif(queue = ?3, parked_at, NULL)), 0)"
    where = "part = ?1 AND destination = ?2 AND user_key = ?4"
    by_user = "FROM parked INDEXED BY parked_in_order"  # else SQLite reads every row of the destination
    lost = [key for key, has_lane in users if not has_lane]
    found = {
        key: db.execute(f"{rows} {by_user} WHERE {where}", (PART, destination, Queue.HELD, key)).fetchone()
        for key in lost
    }
    return found, users[-1][0] if len(users) == limit else None


def openings(db: sqlite3.Connection, destination: str) -> list[tuple[str, str]]:
    """Needs whose lanes were being opened, each with the last lane done."""
    return db.execute(
        "SELECT need, last_key FROM opening WHERE part = ? AND destination = ?", (PART, destination)
    ).fetchall()


def last_place(db: sqlite3.Connection, destination: str) -> int:
    """The highest place that stands between two events. What a timer returned has the negative of it as its position, also as a
    dead letter."""
    here = "WHERE part = ? AND destination = ?"
    row = db.execute(
        f"SELECT (SELECT max(place) FROM parked {here} AND place % {ORDER_KEY_STEP} <> 0), -(SELECT min(pos) FROM parked {here}),"
        f" -(SELECT min(pos) FROM dead {here})",
        (PART, destination) * 3,
    ).fetchone()
    return max(0, *(place or 0 for place in row))
