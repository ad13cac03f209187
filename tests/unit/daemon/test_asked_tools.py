"""What becomes of the deletions that destinations were asked for, beside reloads and other demands."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from router.daemon.asked_tools import AskedTools
from router.daemon.supervisor import Supervisor
from router.deliver import operations
from router.errors import StoreFull
from router.metrics import Metrics
from router.plugin import Item, Outcome, Person, Reject, RetryLater, hookimpl
from router.store import Regulation, Tool
from tests.contract.rig import Rig, comes_true, destination, open_rig
from tests.contract.test_forget_group import demand_of_group
from tests.contract.test_people import demand, files_with, finish
from tests.contract.test_people_deletions import Asking
from tests.patience import HANG_S
from tests.unit.daemon.test_supervisor import isolation, supervised


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    async with open_rig(tmp_path) as made:
        yield made


@asynccontextmanager
async def asking(rig: Rig) -> AsyncIterator[tuple[Supervisor, AskedTools]]:
    """A destination that can ask its vendor to delete somebody, as a start of the daemon runs it."""
    supervisor = Supervisor(rig.store, rig.clock, rig.log, Metrics(), isolation(rig))
    async with supervisor.running([destination(Asking, rig.vendor)], lambda: None):
        yield supervisor, AskedTools(rig.store, supervisor, rig.clock)


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


async def test_a_full_disk_has_nobody_asked_again(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    note, is_full = type(rig.store.erasure).note_tool, True

    async def note_if_there_is_room(*args: Any) -> Regulation:
        if is_full:
            raise StoreFull
        return await note(*args)

    monkeypatch.setattr(type(rig.store.erasure), "note_tool", note_if_there_is_room)
    regulation = await rig.store.people.begin(demand("u:user-one", tools=("d",)))
    async with asking(rig) as (_, tools):
        for _ in range(3):
            with pytest.raises(StoreFull):
                await tools.look(regulation)
        is_full = False
        assert (await tools.look(regulation)).tools["d"].status == "RUNNING"
        assert await comes_true(rig, lambda: bool(rig.vendor.calls))
        assert rig.vendor.ids() == ["delete user-one "]


@pytest.mark.parametrize(
    "answer", [Reject("no", "words"), RetryLater("busy", after_s=60)], ids=["refused", "to be tried again"]
)
async def test_nothing_is_left_of_a_deletion_that_a_crash_kept_from_being_noted(rig: Rig, answer: Outcome) -> None:
    rig.vendor.answer = lambda bodies: answer
    regulation = await rig.store.people.begin(demand("u:user-one", tools=("d",)))
    async with asking(rig) as (supervisor, _):
        await supervisor.runners["d"].ask_to_delete(regulation)
        assert await comes_true(rig, lambda: bool(rig.vendor.calls))
    rig.vendor.answer = lambda bodies: Reject("no", "words")
    async with asking(rig) as (_, tools), asyncio.timeout(HANG_S):
        while regulation.tools["d"].status in ("", "RUNNING"):
            regulation = await tools.look(regulation)
        assert regulation.tools["d"].status == "FAILED"
        await finish(rig, regulation)
        assert files_with(rig, "user-one") == []


class Naming(Asking):
    """Gives reasons that are no constant words."""

    @hookimpl
    def forget(self, person: Person) -> Item:
        raise Reject(f"no {person.user_id}")


async def test_a_reason_that_names_the_person_is_not_kept_in_the_record(rig: Rig) -> None:
    regulation = await rig.store.people.begin(demand("u:user-one", tools=("d",)))
    supervisor = Supervisor(rig.store, rig.clock, rig.log, Metrics(), isolation(rig))
    async with supervisor.running([destination(Naming, rig.vendor)], lambda: None):
        done = await AskedTools(rig.store, supervisor, rig.clock).look(regulation)
        assert (done.tools["d"].status, "by hand" in done.tools["d"].words) == ("FAILED", True)
        await finish(rig, done)
        assert files_with(rig, "user-one") == []
