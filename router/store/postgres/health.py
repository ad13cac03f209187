"""Whether the database can do its work, and what was written to it."""

from __future__ import annotations

import asyncio

from router.store.postgres.append_queue import AppendQueue
from router.store.postgres.database import Connection, Database
from router.store.postgres.housekeeping import Housekeeping
from router.store.postgres.node import Node
from router.store.postgres.upkeep import upkeep
from router.store.rows import Pending, Upkeep, Written
from router.vocabulary import Problem


class PostgresHealth:
    """Implements `ports.Health`. A database that is away comes back: it does not end the daemon. Another process that is this node does."""

    def __init__(self, queue: AppendQueue, housekeeping: Housekeeping, node: Node | None = None) -> None:
        self._queue, self._housekeeping, self._node = queue, housekeeping, node
        self.failed = asyncio.Event() if node is None else node.failed

    @property
    def broken(self) -> str:
        """Why nothing can be written any more; empty while it can."""
        return self._node.broken if self._node is not None else ""

    @property
    def writing_s(self) -> float:
        """For how long the group has been written that is being written now; 0 while none is."""
        since = self._queue.writing_since
        return 0.0 if since is None else self._queue.clock.monotonic() - since

    async def look_at_disk(self) -> None:
        """The disk is the database's own."""

    def may_append(self) -> bool:
        """Whether events may be sent to the database: it says so itself where it has no room."""
        return True

    def may_grow(self) -> bool:
        """Whether rows may be added."""
        return True

    def problems(self) -> list[Problem]:
        """What is wrong now, gravest first; empty when all is well."""
        found = []
        if self._queue.is_away or (self._node is not None and self._node.is_away):
            words = "the database cannot be reached: events are answered with 503, and deliveries wait"
            found.append(Problem("store_away", words))
        if self._housekeeping.failed:
            words = f"nothing is trimmed, so the database grows: {self._housekeeping.failed}"
            found.append(Problem("store_not_trimmed", words))
        found += self._housekeeping.standby.problems()
        return found + (self._node.seen.problems() if self._node is not None else [])


class PostgresSizes:
    """Implements `ports.Sizes`. How much room is left only the database's own machine knows."""

    def __init__(self, database: Database, queue: AppendQueue) -> None:
        self._database, self._queue = database, queue

    async def used_bytes(self) -> int:
        """What the database takes. Raises StoreError where it cannot be read."""
        return await self._database.ask(_size)

    async def upkeep(self) -> Upkeep:
        """What ruins the database slowly. Raises StoreError where it cannot be read."""
        return await self._database.ask(upkeep)

    def left_bytes(self) -> None:
        """Not known."""

    def free_bytes(self) -> None:
        """Not known."""

    def wal_bytes(self) -> int:
        """It is the database's."""
        return 0

    def written(self) -> Written:
        """What was written since the start."""
        return self._queue.written

    def pending(self) -> Pending:
        """What waits to be written."""
        return self._queue.pending


async def _size(connection: Connection) -> int:
    size: int = await connection.fetchval("SELECT pg_database_size(current_database())")
    return size
