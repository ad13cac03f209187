"""What becomes of the deletions that destinations were asked for, beside reloads and other demands."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from router.daemon.asked_tools import AskedTools
from router.daemon.supervisor import Supervisor
from router.deliver import operations
from router.store import Regulation, Tool
from tests.contract.rig import Rig, open_rig
from tests.contract.test_forget_group import demand_of_group
from tests.contract.test_people import demand
from tests.unit.daemon.test_supervisor import supervised


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    async with open_rig(tmp_path) as made:
        yield made


async def answered(rig: Rig, supervisor: Supervisor) -> Regulation:
    """A group was forgotten at `d`, which has answered what it was asked."""
    regulation = await rig.store.people.begin(demand_of_group("acme-1", tools=("d",)))
    await supervisor.forget_people(regulation, set())
    return await rig.store.erasure.note_tool(regulation.id, "d", Tool("RUNNING"))


async def test_an_answer_is_not_taken_up_while_destinations_are_exchanged(rig: Rig) -> None:
    async with supervised(rig, "d") as supervisor:
        regulation = await answered(rig, supervisor)
        tools = AskedTools(rig.store, supervisor, rig.clock)
        async with supervisor.changing:
            looking = asyncio.create_task(tools.look(regulation))
            await rig.vendor_moves(300)
            assert not looking.done()
        assert (await looking).tools["d"].status == "FINISHED"


async def test_an_answer_does_not_restart_the_destination(rig: Rig) -> None:
    async with supervised(rig, "d") as supervisor:
        regulation = await answered(rig, supervisor)
        before = await supervisor.runners["d"].worker()  # type: ignore[attr-defined]
        done = await AskedTools(rig.store, supervisor, rig.clock).look(regulation)
        assert done.tools["d"].status == "FINISHED"
        assert await supervisor.runners["d"].worker() is before  # type: ignore[attr-defined]


async def test_the_end_of_one_demand_leaves_what_another_one_forgets(rig: Rig) -> None:
    async with supervised(rig, "d") as supervisor:
        runner = supervisor.runners["d"]
        worker = await runner.worker()  # type: ignore[attr-defined]
        one = await rig.store.people.begin(demand("u:one", id="r1"))
        other = await rig.store.people.begin(demand("u:other", id="r2"))
        await worker.ask(lambda: operations.begin_to_forget(worker, other))
        await runner.forget(one)
        assert list(worker.state.forgotten) == ["u:other"]
