"""What destinations are asked to delete, and what becomes of it. One that cannot is told to the operator; it holds up none of the others."""

from __future__ import annotations

from router.clock import Clock
from router.daemon.supervisor import Supervisor
from router.errors import CommandRefused
from router.store import DeadLetterFilter, Regulation, Store, Tool
from router.vocabulary import EventState

GONE = "it is not configured any more: delete the person there by hand"
DISABLED = "it was disabled before it was done: delete the person there by hand, or enable it and ask again"
ENDED = (EventState.DELIVERED, EventState.SKIPPED, EventState.FILTERED, EventState.DEAD)


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
                if found.status != "RUNNING":
                    found.finished_at, found.rows = self._clock.now_ms(), []
                regulation = await self._store.erasure.note_tool(regulation.id, name, found)
        return regulation

    async def _ask(self, name: str, regulation: Regulation) -> Tool:
        runner = self._supervisor.runners.get(name)
        return Tool("NOT_SUPPORTED", GONE) if runner is None else await runner.ask_to_delete(regulation)

    async def _follow(self, name: str, tool: Tool, regulation: Regulation) -> Tool:
        if tool.status != "RUNNING":
            return tool
        runner = self._supervisor.runners.get(name)
        if runner is None:
            return await self._give_up(name, tool)
        states = await self._store.erasure.deletions(name, tool.rows)
        if any(state not in ENDED for state, _ in states.values()):
            if runner.destination.config.enabled:
                return tool
            await runner.drop_deletions(tool.rows)
            return Tool("FAILED", DISABLED)
        failed = {pos: reason for pos, (state, reason) in states.items() if state == EventState.DEAD}
        for pos in failed:
            await runner.drop_letters(DeadLetterFilter(), pos)  # it names the person
        await runner.forget(regulation)  # and so does the last request that it shows
        if failed:
            reasons = ", ".join(sorted(set(failed.values())))
            return Tool("FAILED", f"refused ({reasons}): ask again, or delete the person there by hand")
        if tool.words:
            return Tool("FAILED", tool.words)
        is_dry = any(reason == "dry_run" for _, reason in states.values())
        return Tool("FINISHED", "a dry run: nothing was sent" if is_dry else "")

    async def _give_up(self, name: str, tool: Tool) -> Tool:
        """The destination was taken out of the configuration. What it was asked for names the person, and goes."""
        async with self._supervisor.changing:
            if name in self._supervisor.runners:  # it is back
                return tool
            await self._store.erasure.drop_deletions(name, tool.rows)
        return Tool("FAILED", GONE)
