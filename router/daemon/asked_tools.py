"""What destinations are asked to delete, and what becomes of it. One that cannot is told to the operator; it holds up none of the others."""

from __future__ import annotations

from collections.abc import Sequence

from router.clock import Clock
from router.daemon.supervisor import Supervisor
from router.deliver.deletion_answers import answered, noted
from router.errors import CommandRefused
from router.store import Regulation, Store, Tool

GONE = "it is not configured any more: delete there by hand"


class AskedTools:
    """Owned by `Forgetting`."""

    def __init__(self, store: Store, supervisor: Supervisor, clock: Clock) -> None:
        self._store, self._supervisor, self._clock = store, supervisor, clock
        self._found: dict[tuple[str, str], Tool] = {}  #: by regulation and destination: what could not be noted yet

    async def look(self, regulation: Regulation) -> Regulation:
        """Ask those that were not asked yet, and note what became of the others' deletions. One that takes no commands now is looked
        at again the next time."""
        for name, tool in regulation.tools.items():
            place = regulation.id, name
            try:
                found = self._found.pop(place, None) or await self._next(name, tool, regulation)
            except CommandRefused:
                continue
            if found is not tool:
                self._found[place] = found  # a full disk refuses it, and nobody is to be asked again for that
                regulation = await noted(self._store, regulation, name, found, self._clock.now_ms())
                del self._found[place]
        return regulation

    async def _next(self, name: str, tool: Tool, regulation: Regulation) -> Tool:
        match tool.status:
            case "":
                return await self._ask(name, regulation)
            case "RUNNING":
                return await self._follow(name, tool, regulation)
        return tool

    async def _ask(self, name: str, regulation: Regulation) -> Tool:
        async with self._supervisor.changing:
            if left := await self._store.erasure.asked(name, regulation.id):
                await self._take_back(name, left)  # of an attempt that ended half way: nobody would look at its end
        runner = self._supervisor.runners.get(name)
        return Tool("NOT_SUPPORTED", GONE) if runner is None else await runner.ask_to_delete(regulation)

    async def _follow(self, name: str, tool: Tool, regulation: Regulation) -> Tool:
        async with self._supervisor.changing:
            if (runner := self._supervisor.runners.get(name)) is not None:
                return await answered(self._store, runner, tool, regulation)
            await self._take_back(name, tool.rows)
            return Tool("FAILED", GONE)

    async def _take_back(self, name: str, rows: Sequence[int]) -> None:
        """Erase deletions: they name the person or group. No reload may exchange the destination meanwhile."""
        if (runner := self._supervisor.runners.get(name)) is not None:
            await runner.drop_deletions(rows)
        else:
            for share in await self._store.claims.shares(name):
                await self._store.erasure.drop_deletions(name, rows, share)
