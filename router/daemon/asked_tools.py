"""What destinations are asked to delete, and what becomes of it. One that cannot is told to the operator; it holds up none of the others."""

from __future__ import annotations

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

    async def look(self, regulation: Regulation) -> Regulation:
        """Ask those that were not asked yet, and note what became of the others' deletions. One that takes no commands now is looked
        at again the next time."""
        for name, tool in regulation.tools.items():
            try:
                found = await (self._follow(name, tool, regulation) if tool.status else self._ask(name, regulation))
            except CommandRefused:
                continue
            if found is not tool:
                regulation = await noted(self._store, regulation, name, found, self._clock.now_ms())
        return regulation

    async def _ask(self, name: str, regulation: Regulation) -> Tool:
        runner = self._supervisor.runners.get(name)
        return Tool("NOT_SUPPORTED", GONE) if runner is None else await runner.ask_to_delete(regulation)

    async def _follow(self, name: str, tool: Tool, regulation: Regulation) -> Tool:
        if tool.status != "RUNNING":
            return tool
        async with self._supervisor.changing:  # else a reload may exchange the destination while its rows are erased
            runner = self._supervisor.runners.get(name)
            if runner is None:  # what it was asked for names the person or group, and goes
                await self._store.erasure.drop_deletions(name, tool.rows)
                return Tool("FAILED", GONE)
            return await answered(self._store, runner, tool, regulation)
