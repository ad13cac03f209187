"""Sees what other nodes append, and which destinations they give back. What this one appends it knows at once."""

from __future__ import annotations

from collections.abc import Callable

import asyncpg

from router.clock import Clock
from router.errors import StoreError
from router.store.postgres.append_group import Head
from router.store.postgres.append_queue import AppendQueue
from router.store.postgres.database import Connection, Database
from router.store.postgres.known_people import KnownPeople

MOVING_S, RESTING_S = 0.02, 0.2
"""Between two looks: while the head has moved in the last second, and else."""
LATELY_S = 1.0
LOOK = (
    "SELECT pos, duplicates, discarded, people, ARRAY(SELECT destination || ' ' || shard || ' ' || epoch FROM unit"
    " WHERE part = 0 AND owner IS NULL) FROM head WHERE part = 0"
)


class HeadWatch:
    """Its task is owned by the store."""

    def __init__(self, database: Database, queue: AppendQueue, people: KnownPeople, clock: Clock) -> None:
        self._database, self._queue, self._people, self._clock = database, queue, people, clock
        self._moved_at = clock.monotonic()
        self.when_given_back: Callable[[], None] = lambda: None  #: a destination has no owner any more
        self._free: frozenset[str] = frozenset()  #: those that had none at the last look

    async def run(self) -> None:
        """Look again and again, until cancelled."""
        while True:
            is_moving = self._clock.monotonic() - self._moved_at < LATELY_S
            await self._clock.sleep(MOVING_S if is_moving else RESTING_S)
            try:
                await self.look()
            except (StoreError, asyncpg.PostgresError):  # told of by whoever writes
                continue

    async def look(self) -> None:
        """Take over what others have appended, and whom others were told to forget or to suppress. An append of this node that is on its way
        tells of it by itself."""
        queue, before, known = self._queue, self._queue.written.n, self._queue.head
        if queue.writing_since is not None:
            return
        head, people, free = await self._database.read(lambda: None, _head)
        is_new, self._free = not free <= self._free, free
        if is_new:
            self.when_given_back()
        if people != self._people.version:
            await self._people.refresh()
        if queue.writing_since is None and queue.written.n == before and queue.head is known and head.pos != known.pos:
            self._moved_at = self._clock.monotonic()
            queue.follow(head)


async def _head(connection: Connection) -> tuple[Head, int, frozenset[str]]:
    *head, people, free = await connection.fetchrow(LOOK)
    return Head(*head), people, frozenset(free)
