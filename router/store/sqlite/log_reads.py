"""What is read from the log. Each function runs in a reading connection's thread."""

from __future__ import annotations

import sqlite3

from router.store.rows import LogRow


def log_rows(db: sqlite3.Connection, after: int, limit: int, max_bytes: int) -> list[LogRow]:
    """Events above a position, ascending, up to a count and about this many bytes."""
    rows: list[LogRow] = []
    size = 0
    cursor = db.execute(
        "SELECT pos, received_at, source, type, user_key, message_id, body FROM log WHERE pos > ? ORDER BY pos LIMIT ?",
        (after, limit),
    )
    for values in cursor:
        rows.append(LogRow(*values))
        size += len(values[-1])
        if size >= max_bytes:
            break
    cursor.close()  # an open statement would keep the WAL from being checkpointed
    return rows


def span(db: sqlite3.Connection, since_ms: int, until_ms: int) -> tuple[int, int]:
    """The retained events accepted in this time: (behind this position, up to this one)."""
    return last_before(db, since_ms), last_before(db, until_ms)


def last_before(db: sqlite3.Connection, at_ms: int, above: int = 0) -> int:
    """Position of the last event accepted before an instant, by bisection: time goes with position. At least `above`."""
    low, high = db.execute(  # one statement with both would read the whole table
        "SELECT coalesce((SELECT min(pos) FROM log), 1) - 1, coalesce((SELECT max(pos) FROM log), 0)"
    ).fetchone()
    low = max(low, above)
    middle = low + 1  # where all of it is newer, one look is enough
    while low < high:
        found = db.execute("SELECT received_at FROM log WHERE pos >= ? ORDER BY pos LIMIT 1", (middle,)).fetchone()
        if found[0] < at_ms:
            low = middle
        else:
            high = middle - 1
        middle = (low + high + 1) // 2
    return int(low)
