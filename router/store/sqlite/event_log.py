"""The log of accepted events: appended through the writer, read from memory where its newest events are asked for."""

from __future__ import annotations

from router.store.append_intake import QueuedLog
from router.store.rows import LogRow
from router.store.sqlite import log_reads
from router.store.sqlite.group_commit import Writer
from router.store.sqlite.reader import Reader


class SqliteEventLog(QueuedLog):
    """Implements `ports.EventLog`."""

    def __init__(self, writer: Writer, reader: Reader) -> None:
        super().__init__(writer)
        self._writer, self._reader = writer, reader

    async def read(self, after: int, limit: int, max_bytes: int) -> list[LogRow]:
        """Events above a position, ascending."""
        newest = self._writer.tail.read(after, limit, max_bytes)
        rows = await self._reader.run(log_reads.log_rows, after, limit, max_bytes) if newest is None else newest
        return self._writer.forgotten.blanked(rows)

    async def span(self, since_ms: int, until_ms: int) -> tuple[int, int]:
        """The retained events accepted in this time: (behind this position, up to this one)."""
        return await self._reader.run(log_reads.span, since_ms, until_ms)
