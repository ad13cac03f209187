"""Blocked lanes and their parked events. Each function runs in a reading connection's thread."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence

from router.store.rows import ORDER_KEY_STEP, PART, LaneRow, Miscounted, ParkedRow, Slice
from router.store.sqlite.event_columns import PARKED, key_list
from router.vocabulary import Queue

LANE_COLUMNS = (
    "user_key, mode, need, reason, group_id, due_at, attempts, held, main, held_since, first_held, also, refused_pos"
)

COUNTED = 100_000
"""Parked rows, beyond which no other user is counted in the same go: 5 ms."""


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


def miscounted(
    db: sqlite3.Connection, destination: str, after: str, limit: int
) -> tuple[dict[str, Miscounted], str | None]:
    """Of the next users with a lane or with parked rows those whose lane is missing or does not say how many rows there are. And the last
    user looked at; None: there are no more."""
    here = "WHERE part = ? AND destination = ? AND user_key > ?"
    asked = (PART, destination, after)
    db.execute("BEGIN")  # both are read as of one instant
    try:
        lanes = db.execute(f"SELECT user_key, held, main FROM lane {here} ORDER BY user_key LIMIT ?", (*asked, limit))
        counted = {key: (held, main) for key, held, main in lanes}
        upto = max(counted) if len(counted) == limit else None
        by_queue = db.execute(
            f"SELECT user_key, queue, count(*) FROM parked INDEXED BY parked_in_order {here} GROUP BY 1, 2", asked
        )
        rows, upto = _rows_by_user(by_queue, upto, limit)
        by_queue.close()
        keys = [key for key in {*counted, *rows} if upto is None or key <= upto]
        differ = [key for key in keys if key not in counted or counted[key] != rows.get(key, (0, 0)) or key not in rows]
        found = {}
        for key in sorted(differ):
            (held, main), (lane_held, lane_main) = rows.get(key, (0, 0)), counted.get(key, (0, 0))
            since = "SELECT coalesce(min(parked_at), 0) FROM parked WHERE part = ? AND destination = ? AND user_key = ? AND queue = ?"
            [[held_since]] = db.execute(since, (PART, destination, key, Queue.HELD))
            found[key] = Miscounted(held - lane_held, main - lane_main, held_since, key in counted)
    finally:
        db.execute("COMMIT")
    return found, upto


def _rows_by_user(
    by_queue: Iterable[tuple[str, str, int]], upto: str | None, limit: int
) -> tuple[dict[str, tuple[int, int]], str | None]:
    """How many held and other rows each user has, in the order of their keys: up to a user, up to so many users, and not many more rows
    than are counted in a moment. And how far; None: to the end."""
    rows: dict[str, tuple[int, int]] = {}
    total, last = 0, ""
    for key, queue, n in by_queue:
        if upto is not None and key > upto:
            break
        if key != last and (len(rows) == limit or total >= COUNTED):
            return rows, last
        held, main = rows.get(key, (0, 0))
        rows[key] = (held + n, main) if queue == Queue.HELD else (held, main + n)
        total, last = total + n, key
    return rows, upto


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
