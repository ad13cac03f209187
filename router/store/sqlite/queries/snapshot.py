"""One question, asked in one consistent snapshot."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from typing import TypeVar

from router.errors import StoreError
from router.store.sqlite.connection import Connection

T = TypeVar("T")


async def ask(connection: Connection, question: Callable[..., T], *args: object) -> T:
    """What the question answers. Raises StoreError where the disk or a lock refuses the reading."""
    try:
        return await connection.run(_snapshot, question, *args)
    except sqlite3.Error as error:
        raise StoreError(f"the store cannot be read: {error}") from error


def _snapshot(db: sqlite3.Connection, question: Callable[..., T], *args: object) -> T:
    db.execute("BEGIN")
    try:
        return question(db, *args)
    finally:
        db.execute("COMMIT")
