"""A destination of a disk that is nearly full takes up nothing that may have to be kept, and goes on by itself when there is room."""

from __future__ import annotations

import pytest

from router.deliver.runner import ReplayOrder
from router.plugin import Delivered, RetryLater
from router.store.disk_space import Room
from tests.contract.rig import Plain, Rig


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
