"""A destination of a disk that is nearly full takes up nothing that may have to be kept, and goes on by itself when there is room."""

from __future__ import annotations

import pytest

from router.deliver.jobs.timers import Timers
from router.deliver.runner import ReplayOrder
from router.plugin import Delivered, RetryLater
from router.store.disk_space import Room
from tests.contract.rig import Plain, Rig, spins


@pytest.fixture
def has_begun() -> bool:
    return False


async def test_nothing_is_read_from_the_log_while_nothing_may_grow(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    rig.start(Plain)
    await rig.quiet()
    await rig.call("identify", "m1", userId="u1")
    with monkeypatch.context() as patched:
        patched.setattr(rig.store.disk, "room", lambda: Room.NOTHING_THAT_GROWS)
        await rig.pass_time(30)
        assert rig.vendor.calls == []
    rig.clock.advance(1)
    await rig.quiet()
    assert rig.vendor.ids() == ["m1"]


async def test_what_is_left_unread_is_read_soon_where_there_is_room_by_the_end_of_the_round(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    rooms = [Room.NOTHING_THAT_GROWS]
    await rig.store.cursor("d", rig.clock.now_ms())
    await rig.call("identify", "m1", userId="u1")
    monkeypatch.setattr(rig.store.health, "may_grow", lambda: (rooms.pop() if rooms else Room.ALL) == Room.ALL)
    rig.start(Plain)
    await rig.runner.opened()
    while rooms:
        await rig.vendor_moves()
    await rig.vendor_moves(20)
    assert rig.vendor.calls == []
    rig.clock.advance(1)
    await rig.quiet()
    assert rig.vendor.ids() == ["m1"]


async def test_a_destination_that_waits_for_room_does_not_spin(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    rig.start(Plain)
    await rig.quiet()
    monkeypatch.setattr(rig.store.health, "may_grow", lambda: False)
    await rig.call("identify", "m1", userId="u1")
    rounds, look = 0, Timers.look

    async def counted(timers: Timers, now: int) -> None:
        nonlocal rounds
        rounds += 1
        await look(timers, now)

    monkeypatch.setattr(Timers, "look", counted)
    for _ in range(3):
        rig.clock.advance(10)
        assert not await spins(rig)
    assert 0 < rounds < 50, "it looks again once a while, and no more"
    assert rig.vendor.calls == []


async def test_what_has_a_row_goes_out_all_the_same(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    rig.vendor.answer = lambda bodies: RetryLater("status_503")
    rig.start(Plain)
    await rig.call("identify", "m1", userId="u1")
    await rig.quiet()
    monkeypatch.setattr(rig.store.disk, "room", lambda: Room.NOTHING_THAT_GROWS)
    rig.vendor.answer = lambda bodies: Delivered()
    await rig.pass_time(30)
    assert await rig.fate("m1") == ("delivered", "")


async def test_a_replay_feeds_nothing_while_nothing_may_grow(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    rig.start(Plain)
    await rig.call("identify", "m1", userId="u1")
    await rig.quiet()
    with monkeypatch.context() as patched:
        patched.setattr(rig.store.disk, "room", lambda: Room.NOTHING_THAT_GROWS)
        await rig.runner.replay(ReplayOrder())
        await rig.pass_time(30)
        assert rig.vendor.ids() == ["m1"]
    await rig.pass_time(2, step=1)
    assert rig.vendor.ids() == ["m1", "m1"]
