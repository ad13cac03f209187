"""The log of accepted events: appended group by group, read from memory where its newest events are asked for."""

from __future__ import annotations

from router.store.append_intake import QueuedLog
from router.store.postgres.append_queue import AppendQueue
from router.store.postgres.block_reads import Blocks, last_before
from router.store.postgres.database import Connection, Database
from router.store.rows import LogRow


class PostgresEventLog(QueuedLog):
    """Implements `ports.EventLog`. `refuse_if_closed` raises once the store is closed."""

    def __init__(self, database: Database, queue: AppendQueue, blocks: Blocks) -> None:
        super().__init__(queue)
        self._database, self._queue, self._blocks = database, queue, blocks

    async def read(self, after: int, limit: int, max_bytes: int) -> list[LogRow]:
        """Events above a position, ascending."""
        newest = self._queue.tail.read(after, limit, max_bytes)
        if newest is not None:
            return self._blocks.forgotten.blanked(newest)
        rows: list[LogRow] = await self._database.read(_for_ever, self._page, after, limit, max_bytes)
        return rows

    async def span(self, since_ms: int, until_ms: int) -> tuple[int, int]:
        """The retained events accepted in this time: (behind this position, up to this one)."""
        found: tuple[int, int] = await self._database.ask(self._span, since_ms, until_ms)
        return found

    async def _page(self, connection: Connection, after: int, limit: int, max_bytes: int) -> list[LogRow]:
        return await self._blocks.page(connection, after, limit, max_bytes)

    async def _span(self, connection: Connection, since_ms: int, until_ms: int) -> tuple[int, int]:
        return (
            await last_before(connection, self._blocks, since_ms),
            await last_before(connection, self._blocks, until_ms),
        )


def _for_ever() -> None:
    """Whoever reads the log waits for the database until the store is closed."""
