"""People and groups that a test has forgotten, as the daemon does it for a destination: nothing of theirs is sent any more, what is stored
is erased, and the plugin asks the vendor to delete them."""

from __future__ import annotations

from collections.abc import Sequence

from router.deliver.deletion_answers import answered, noted
from router.deliver.runner import Runner
from router.store import Demand, Regulation, Step, Store

__all__ = ["demand_of", "go_on"]


def demand_of(id: str, subject_type: str, keys: Sequence[str], also: Sequence[str], destination: str) -> Demand:
    """What `segment-router forget` and `forget-group` ask for with `--tools`. Keys are user keys."""
    return Demand(id, "DELETE_ONLY", subject_type, tuple(keys), tuple(also), deletes=True, tools=(destination,))


async def go_on(regulation: Regulation, store: Store, runner: Runner, now_ms: int) -> Regulation:
    """As far as it goes now: to its end, or until the vendor has answered."""
    before: Regulation | None = None
    while regulation.is_under_way and regulation != before:
        before = regulation
        if regulation.step == Step.ROWS:
            await runner.forget(regulation)
        elif regulation.step == Step.TOOLS:
            regulation = await _look(regulation, store, runner, now_ms)
        regulation = await store.erasure.erase_on(regulation.id)
    return regulation


async def _look(regulation: Regulation, store: Store, runner: Runner, now_ms: int) -> Regulation:
    name = runner.destination.name
    tool = found = regulation.tools[name]
    if not tool.status:
        found = await runner.ask_to_delete(regulation)
    elif tool.status == "RUNNING":
        found = await answered(store, runner, tool, regulation)
    return regulation if found is tool else await noted(store, regulation, name, found, now_ms)
