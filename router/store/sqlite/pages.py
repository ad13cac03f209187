"""What a database takes of its disk."""

from __future__ import annotations

import sqlite3


def used_bytes(db: sqlite3.Connection) -> int:
    """What it takes without pages that are free for reuse: the size of a copy."""
    count, free, size = (
        db.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "freelist_count", "page_size")
    )
    return int((count - free) * size)
