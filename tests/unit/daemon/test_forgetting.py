"""The daemon's part in forgetting: what goes on beside a destination that cannot be reached, or a disk that is full."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from router.daemon.forgetting import AGAIN_S, Forgetting
from router.daemon.held_marks import HeldMarks
from router.errors import CommandRefused
from router.plugin_host.hook_watch import SlowHook
from router.store import Regulation
from tests.contract.rig import Rig, comes_true, open_rig
from tests.contract.test_forget_group import demand_of_group
from tests.contract.test_people import demand
from tests.patience import HANG_S
from tests.unit.daemon.test_supervisor import supervised


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    async with open_rig(tmp_path) as made:
        yield made


async def comes_to_its_end(rig: Rig, regulation_id: str) -> None:
    async with asyncio.timeout(HANG_S):
        while (found := await rig.store.people.find(regulation_id)) is None or found.is_under_way:
            rig.clock.advance(AGAIN_S)
            await rig.vendor_moves()


async def test_while_a_hook_holds_one_destination_the_others_begin_anew_once(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a group every worker is replaced, as its lanes are not searched."""
    looks: list[str] = []

    async def refuse(regulation: Regulation) -> None:
        looks.append(regulation.id)
        raise CommandRefused("busy", "a hook holds it")

    def has_looked_again() -> bool:
        rig.clock.advance(AGAIN_S)
        return len(looks) == 3

    async with supervised(rig, "d", "held") as supervisor:
        before = await supervisor.runners["d"].worker()  # type: ignore[attr-defined]
        monkeypatch.setattr(supervisor.runners["held"], "forget", refuse)
        forgetting = Forgetting(rig.store, supervisor, rig.clock, rig.log)
        with pytest.raises(CommandRefused):
            await forgetting.demand(demand_of_group("acme-1"))
        worker = await supervisor.runners["d"].worker()  # type: ignore[attr-defined]
        assert worker is not before
        async with forgetting.running():
            assert await comes_true(rig, has_looked_again)
            assert await supervisor.runners["d"].worker() is worker  # type: ignore[attr-defined]
            monkeypatch.undo()
            await comes_to_its_end(rig, looks[0])


async def test_a_slow_hook_is_named_without_the_message_it_had(rig: Rig) -> None:
    """Nobody knows any more whose message that was."""
    marks = HeldMarks(rig.store.path)
    async with supervised(rig, "d") as supervisor:
        destination = supervisor.runners["d"].destination
        destination.watch.slow["track"] = SlowHook(1, 0.5, "id-of-a-message")
        marks.add(destination, "track", "id-of-a-message")
        forgetting = Forgetting(rig.store, supervisor, rig.clock, rig.log)
        async with forgetting.running():
            await forgetting.demand(demand("u:one"))
            await comes_to_its_end(rig, "r1")
        assert destination.watch.describe()["track"] == {"count": 1, "longest_s": 0.5, "last_message_id": ""}
        mark = marks.of(destination)
        assert mark is not None
        assert (mark.hook, mark.message_id) == ("track", "")
