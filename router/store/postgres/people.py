"""Demands to forget people or groups, or to suppress people: taken, recorded, and looked up. What erases is in `erasure.py`."""

from __future__ import annotations

from collections.abc import Sequence

from router.errors import StoreAway, StoreLacks
from router.store.postgres import directory_reads, forget_begin, regulation_rows
from router.store.postgres.append_queue import AppendQueue
from router.store.postgres.block_reads import Blocks
from router.store.postgres.database import Database, refusal
from router.store.postgres.node import Node
from router.store.regulation import Demand, Regulation
from router.store.regulation_begun import suppress_early
from router.store.suppressions import Suppressions

PATIENCE_S = 10.0
"""So long a demand waits for a database that is away."""


class PostgresPeople:
    """Implements `ports.People`. There is no file beside the store: who puts an older copy of the database back repeats the demands since."""

    def __init__(
        self,
        database: Database,
        queue: AppendQueue,
        blocks: Blocks,
        suppressions: Suppressions,
        node: Node | None = None,
    ) -> None:
        self.suppressions = suppressions
        self._node = node
        self._database, self._queue, self._forgotten = database, queue, blocks.forgotten

    async def joined(self, user_keys: Sequence[str]) -> dict[str, list[str]]:
        """The anonymous keys that the directory has joined to each of these."""
        return await self._database.ask(directory_reads.joined, user_keys)

    async def begin(self, demand: Demand) -> Regulation:
        """Record a demand. What was accepted before is readable by nobody when this returns; who is suppressed is refused from now on.

        Raises StoreLacks while another node lives: it would not hear of it.
        """
        if self._node is not None and (others := [str(node["name"]) for node in self._node.others()]):
            raise StoreLacks(
                f"a demand to forget or to suppress does not reach other nodes yet: stop {', '.join(others)}, then ask again"
            )
        early = suppress_early(self.suppressions, demand, await self.joined(demand.subjects))
        try:
            await self._queue.append((), (), ())  # what was accepted before that is stored, and erased
            regulation, suppressed = await self._begin(demand)
        finally:
            self.suppressions.remove([early])
        self.suppressions.add(suppressed)
        if demand.unsuppresses:
            self.suppressions.remove(self.suppressions.hash_of(key) for key in demand.subjects)
        if demand.deletes:
            self._forgotten.begin(regulation)
        return regulation

    async def _begin(self, demand: Demand) -> tuple[Regulation, list[tuple[bytes, bytes]]]:
        clock = self._queue.clock
        until = clock.monotonic() + PATIENCE_S

        def give_up() -> None:
            if clock.monotonic() > until:
                raise StoreAway

        try:
            return await self._database.see_through(
                self._database.read(give_up, forget_begin.begin, demand, self.suppressions, clock.now_ms())
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
        return await self._database.ask(regulation_rows.there, regulation_id)

    async def newest(self, limit: int) -> list[Regulation]:
        """The newest regulations, newest first."""
        return await self._database.ask(regulation_rows.newest, limit)

    async def copies(self, *, remove: bool = False) -> list[str]:
        """The router makes no copies of a database."""
        return []
