"""What the store takes of its disk, and what it has written."""

from __future__ import annotations

import sqlite3

from router.errors import StoreError
from router.store.disk_space import DiskSpace
from router.store.rows import Pending, Written
from router.store.sqlite.group_commit import Writer
from router.store.sqlite.pages import used_bytes
from router.store.sqlite.reader import Reader


class SqliteSizes:
    """Implements `ports.Sizes`."""

    def __init__(self, disk: DiskSpace, writer: Writer, reader: Reader) -> None:
        self._disk, self._writer, self._reader = disk, writer, reader

    async def used_bytes(self) -> int:
        """What the database takes, without pages that are free for reuse. Raises StoreError."""
        try:
            return await self._reader.run(used_bytes)
        except sqlite3.Error as error:
            raise StoreError(f"the size of the store cannot be read: {error}") from error

    async def upkeep(self) -> None:
        """It has no snapshots of others, no slots and no dead rows."""

    def left_bytes(self) -> int:
        """What it may still grow by before events are refused."""
        return self._disk.left_bytes()

    def free_bytes(self) -> int:
        """Free on its disk."""
        return self._disk.free_bytes()

    def wal_bytes(self) -> int:
        """Size of the write-ahead log, as of the last look at the disk."""
        return self._disk.wal_bytes()

    def written(self) -> Written:
        """What was written since the start."""
        return self._writer.written

    def pending(self) -> Pending:
        """What waits to be written."""
        return self._writer.pending
