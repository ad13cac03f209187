"""What the store takes of its disk, and what it has written."""

from __future__ import annotations

import sqlite3

from router.store.disk_space import DiskSpace
from router.store.rows import Written
from router.store.sqlite.group_commit import Writer
from router.store.sqlite.reader import Reader


class SqliteSizes:
    """Implements `ports.Sizes`."""

    def __init__(self, disk: DiskSpace, writer: Writer, reader: Reader) -> None:
        self._disk, self._writer, self._reader = disk, writer, reader

    async def used_bytes(self) -> int:
        """What the database takes, without pages that are free for reuse."""
        return await self._reader.run(_used_bytes)

    def left_bytes(self) -> int:
        """What it may still grow by before events are refused."""
        return self._disk.left_bytes()

    def free_bytes(self) -> int:
        """Free on its disk."""
        return self._disk.free_bytes()

    def written(self) -> Written:
        """What was written since the start."""
        return self._writer.written


def _used_bytes(db: sqlite3.Connection) -> int:
    count, free, size = (
        db.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "freelist_count", "page_size")
    )
    return int((count - free) * size)
