"""What the notifier has told: one value in `meta`."""

from __future__ import annotations

import sqlite3

from router.store.sqlite.group_commit import Writer
from router.store.sqlite.reader import Reader

KEY = "notices"


class SqliteNotices:
    """Implements `ports.Notices`."""

    def __init__(self, writer: Writer, reader: Reader) -> None:
        self._writer, self._reader = writer, reader

    async def are_ours(self) -> bool:
        """No other process uses the file."""
        return True

    async def give_back(self) -> None:
        """There is nobody to have them."""

    async def read(self) -> bytes | None:
        """What was written last; None before."""
        return await self._reader.run(_read)

    async def write(self, text: bytes) -> None:
        """Durable on return."""

        def work(db: sqlite3.Connection) -> None:
            db.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (KEY, text))

        await self._writer.run_beside(work)


def _read(db: sqlite3.Connection) -> bytes | None:
    row = db.execute("SELECT value FROM meta WHERE key = ?", (KEY,)).fetchone()
    return row[0] if row else None
