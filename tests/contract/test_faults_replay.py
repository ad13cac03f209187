"""Replays of a span beside trimming: what was in the span when it was asked for is sent, or said to be lost."""

from __future__ import annotations

import asyncio
import sqlite3
from typing import Any

import pytest

from router.deliver.runner import ReplayOrder
from router.deliver.send import in_flight
from router.plugin import Delivered
from tests.contract.rig import Gated, Plain, Rig, both_ways, comes_true
from tests.contract.simulation import inside

DAY = 86_400.0

pytest_generate_tests = both_ways


@pytest.fixture
def rig(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> Rig:
    monkeypatch.setattr(inside.MERGE_AT, 10)
    return rig


def oldest(rig: Rig) -> int:
    """The first position that the log still has."""
    db = sqlite3.connect(rig.store.path)
    pos: int = db.execute("SELECT min(pos) FROM log").fetchone()[0]
    db.close()
    return pos


async def tell(rig: Rig, name: str, n: int) -> None:
    """Accept so many calls that nothing waits for."""
    await rig.accept([rig.make("identify", f"{name}{i}", userId=f"{name}{i}") for i in range(n)])


@pytest.mark.parametrize(
    "plugin",
    [
        Plain,
        Gated,
    ],
    ids=["in one round", "group calls first"],
)
async def test_a_replay_of_what_is_about_to_be_trimmed_sends_all_of_it(
    rig: Rig, plugin: type[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(in_flight, "CALL_TIMEOUTS", 10_000)  # hours pass while requests are on their way: none is stuck
    rig.start(plugin)
    await rig.accept([rig.make("group", "g", userId="boss", groupId="acme", traits={"name": "Acme"})])
    await rig.quiet()
    tracks = [rig.make("track", f"t{n}", userId=f"u{n}", event="E", context={"groupId": "acme"}) for n in range(40)]
    await rig.accept(tracks)
    await rig.accept([rig.make("group", f"g{n}", userId=f"u{n}", groupId="acme") for n in range(250)])
    assert (await rig.quiet())["delivered"] == 291
    rig.clock.advance(6.9 * DAY)
    turn = asyncio.Semaphore(0)

    async def slowly() -> Delivered:
        await turn.acquire()
        return Delivered()

    before = len(rig.vendor.received)
    rig.vendor.answer = lambda bodies: slowly()
    await rig.runner.replay(ReplayOrder())
    for _ in range(6):
        rig.clock.advance(0.1 * DAY)
        await tell(rig, f"new{rig.clock.ms}-", 50)
        for _ in range(40):
            turn.release()
            await rig.vendor_moves()
    for _ in range(1_000):
        turn.release()
    await rig.quiet()
    sent = {body["m"] for body in rig.vendor.received[before:]}
    assert sorted({f"t{n}" for n in range(40)} - sent) == []
    told = await rig.runner.describe_replay()
    assert (told["state"], told["remaining"]) == ("done", 0)
    assert await comes_true(rig, lambda: rig.store.head > 0)
    await tell(rig, "last-", 50)
    assert oldest(rig) > 200, "nothing was trimmed: the test is none"
