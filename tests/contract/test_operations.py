"""What an operator who asks for a release is told when it cannot be."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from router.deliver import operations
from router.errors import CommandRefused
from tests.contract.rig import open_rig

pytestmark = pytest.mark.usefixtures("backend")


async def test_a_refused_release_says_in_words_what_the_user_waits_for(tmp_path: Path) -> None:
    async with open_rig(tmp_path) as rig:
        rig.start()
        await rig.quiet()  # it has begun before the first event
        await rig.call("track", "t1", userId="u3", event="E")
        await rig.call("track", "t2", anonymousId="a3", event="E")
        await rig.quiet()
        for key, user in (("u:u3", "user:u3"), ("a:a3", "anonymous:a3")):
            with pytest.raises(CommandRefused) as refused:
                await rig.runner.release(key, None)
            assert refused.value.code == "requirements_missing"
            assert str(refused.value) == f"still waiting for a group call for {user}"
        await rig.call("group", "g1", userId="u3", groupId="acme")
        await rig.quiet()
        with pytest.raises(CommandRefused, match=r"^still waiting for the name of group acme$"):
            await rig.runner.release("u:u3", None)
        with pytest.raises(CommandRefused, match=r"^nothing is held for user:nobody; ") as refused:
            await rig.runner.release("u:nobody", None)
        assert refused.value.code == "not_held"


async def test_a_command_whose_worker_ends_meanwhile_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = asyncio.Event()

    async def never(*args: object) -> None:
        begun.set()
        await asyncio.get_running_loop().create_future()

    async with open_rig(tmp_path) as rig:
        rig.start()
        await rig.quiet()
        monkeypatch.setattr(operations, "release", never)
        asked = asyncio.create_task(rig.runner.release("u:u1", None))
        await begun.wait()
        await rig.crash()
        with pytest.raises(CommandRefused, match="ask once more"):
            await asked


async def test_a_command_to_a_worker_that_has_ended_is_refused(tmp_path: Path) -> None:
    async with open_rig(tmp_path) as rig:
        rig.start()
        await rig.quiet()
        await rig.crash()
        with pytest.raises(CommandRefused, match="the destination is stopping"):
            await rig.runner.release("u:u1", None)
