"""What became of the deletions that one destination was asked for. The daemon looks at them, and so does a bench."""

from __future__ import annotations

from router.deliver.runner_port import DestinationRunner
from router.store import DeadLetterFilter, Names, Regulation, Store, Tool
from router.vocabulary import EventState

DISABLED = "it was disabled before it was done: delete there by hand, or enable it and ask again"
UNNAMED = "its plugin gave a reason that says whom it was about, so the reason is not kept: delete there by hand"
ENDED = (EventState.DELIVERED, EventState.SKIPPED, EventState.FILTERED, EventState.DEAD)


async def answered(store: Store, runner: DestinationRunner, tool: Tool, regulation: Regulation) -> Tool:
    """How far a destination is that was asked. The same Tool while it is not done; no reload may exchange the destination meanwhile."""
    name = runner.destination.name
    states = await store.erasure.deletions(name, tool.rows)
    if any(state not in ENDED for state, _ in states.values()):
        if runner.destination.config.enabled:
            return tool
        await runner.drop_deletions(tool.rows)
        return Tool("FAILED", DISABLED)
    failed = {pos: reason for pos, (state, reason) in states.items() if state == EventState.DEAD}
    for pos in failed:
        await runner.drop_letters(DeadLetterFilter(), pos)  # it names the person or group
    await runner.forget_answers(regulation)  # and so does the last request that it shows
    if failed:
        reasons = ", ".join(sorted(set(failed.values())))
        return Tool("FAILED", f"refused ({reasons}): ask again, or delete there by hand")
    if tool.words:
        return Tool("FAILED", tool.words)
    is_dry = any(reason == "dry_run" for _, reason in states.values())
    return Tool("FINISHED", "a dry run: nothing was sent" if is_dry else "")


async def noted(store: Store, regulation: Regulation, name: str, tool: Tool, now_ms: int) -> Regulation:
    """Store how far a destination is."""
    if tool.status != "RUNNING":
        tool.finished_at, tool.rows = now_ms, []
    if Names(regulation.told_as).are_in(tool.words):  # the record outlives whom it is about
        tool.words = UNNAMED
    return await store.erasure.note_tool(regulation.id, name, tool)
