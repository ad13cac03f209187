"""Demands to forget people or groups, or to suppress people: taken, recorded, and looked up. What erases is in `erasure.py`."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from router.errors import StoreAway
from router.store.postgres import directory_reads, forget_begin, regulation_rows
from router.store.postgres.append_queue import AppendQueue
from router.store.postgres.database import Database, refusal
from router.store.postgres.known_people import KnownPeople
from router.store.regulation import Demand, Regulation
from router.store.regulation_begun import suppress_early

PATIENCE_S = 10.0
"""So long a demand waits for a database that is away."""


class PostgresPeople:
    """Implements `ports.People`. There is no file beside the store: who puts an older copy of the database back repeats the demands since."""

    def __init__(self, database: Database, queue: AppendQueue, known: KnownPeople, me: UUID) -> None:
        """`me`: this process, which carries out what it is asked."""
        self.suppressions = known.suppressions
        self._database, self._queue, self._known, self._me = database, queue, known, me

    async def joined(self, user_keys: Sequence[str]) -> dict[str, list[str]]:
        """The anonymous keys that the directory has joined to each of these."""
        return await self._database.ask(directory_reads.joined, user_keys)

    async def begin(self, demand: Demand) -> Regulation:
        """Record a demand. When this returns, no process appends a call of who is suppressed, and none takes a destination that would read what
        was accepted before."""
        early = suppress_early(self.suppressions, demand, await self.joined(demand.subjects))
        self._known.early.add(early)
        try:
            await self._queue.append((), (), ())  # what was accepted before that is stored, and erased
            async with self._known.changing:
                regulation, suppressed = await self._begin(demand)
                if demand.deletes:
                    self._known.forgotten.begin(regulation)
                self.suppressions.add(suppressed)
        finally:
            self._known.early.discard(early)
            self.suppressions.remove([early])
        if demand.unsuppresses:
            self.suppressions.remove(self.suppressions.hash_of(key) for key in demand.subjects)
        return regulation

    async def _begin(self, demand: Demand) -> tuple[Regulation, list[tuple[bytes, bytes]]]:
        clock = self._queue.clock
        until = clock.monotonic() + PATIENCE_S

        def give_up() -> None:
            if clock.monotonic() > until:
                raise StoreAway

        try:
            return await self._database.see_through(
                self._database.read(give_up, forget_begin.begin, demand, self.suppressions, self._me, clock.now_ms())
            )
        except Exception as error:
            raise refusal(error) from error

    async def begin_again(self) -> int:
        """There is no file that would tell."""
        return 0

    async def find(self, regulation_id: str) -> Regulation | None:
        """The regulation of this id."""
        return await self._database.ask(regulation_rows.read_one, regulation_id)

    async def heed(self, regulation_id: str) -> Regulation:
        """The regulation of this id. From here on this process reads no events of its people or groups."""
        regulation = await self._database.ask(regulation_rows.there, regulation_id)
        if regulation.is_under_way:
            self._known.forgotten.begin(regulation)
        return regulation

    async def newest(self, limit: int) -> list[Regulation]:
        """The newest regulations, newest first."""
        return await self._database.ask(regulation_rows.newest, limit)

    async def copies(self, *, remove: bool = False) -> list[str]:
        """The router makes no copies of a database."""
        return []
