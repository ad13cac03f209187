"""Make sure that no free page and no part of the WAL holds what was erased. Runs in the writing thread, between two groups."""

from __future__ import annotations

import sqlite3
from contextlib import closing

VACUUM_BYTES = 256_000_000
"""A store up to this size is rewritten at once. Nothing else is stored meanwhile, so a larger one is left to its operator. Measured,
320 MB: 1.6 s of processor time, 8 s on a machine whose two cores had ten other processes to run."""

WORDS = ("OFF", "ON", "FAST")
"""What `PRAGMA secure_delete` answers, by number, in the words that it takes."""


def overwrite_from_now_on(db: sqlite3.Connection) -> None:
    """What is deleted or replaced is overwritten with zeros, before the first row goes."""
    db.execute("PRAGMA secure_delete = ON").fetchall()


def overwrite_no_longer(db: sqlite3.Connection) -> None:
    """As a connection begins: some builds of SQLite overwrite always."""
    with closing(sqlite3.connect(":memory:")) as another:
        (begins_with,) = another.execute("PRAGMA secure_delete").fetchone()
    db.execute(f"PRAGMA secure_delete = {WORDS[begins_with]}").fetchall()


def empty_wal(db: sqlite3.Connection) -> bool:
    """Move all of the WAL into the file and cut it to nothing. False: somebody reads an older snapshot, try again."""
    (patience,) = db.execute("PRAGMA busy_timeout").fetchone()
    db.execute("PRAGMA busy_timeout = 0").fetchall()  # nothing is stored while this waits
    try:
        busy = db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
    finally:
        db.execute(f"PRAGMA busy_timeout = {patience}").fetchall()
    return not busy


def rewrite(db: sqlite3.Connection) -> bool:
    """Write the file anew, without free pages. False: it is too large for that while events arrive.

    Raises sqlite3.Error where the disk has no room for a second copy.
    """
    pages, size = (db.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "page_size"))
    if pages * size > VACUUM_BYTES:
        return False
    # The copy that is made on the way is as large as the store. SQLite drops all temporary tables at each change of this.
    db.execute("PRAGMA temp_store = FILE")
    try:
        db.execute("VACUUM")
    finally:
        db.execute("PRAGMA temp_store = MEMORY")
    return True
