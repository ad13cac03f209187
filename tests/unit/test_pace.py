"""Parked events go out as fast as they can when alone, and in slices with pauses beside live events."""

from __future__ import annotations

import asyncio

import pytest

from router.deliver import pace
from router.deliver.pace import ALONE, BESIDE, Pace
from tests.contract import rig
from tests.contract.rig import START_MS, FakeClock


@pytest.fixture(autouse=True)
def every_pause_lasts_until_the_clock_is_put_forward(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rig, "SHORT_S", 0.0)


def lanes(pace: Pace, *, is_storing: bool = False, read_pos: int = 1, read_at: int = START_MS) -> int:
    return pace.lanes(is_storing=is_storing, read_pos=read_pos, read_at=read_at)


async def test_alone_there_is_no_pause() -> None:
    made = Pace(FakeClock(), lambda: None, 0)
    async with made.alarm:
        with made.slice():
            pass
        long_ago = START_MS - pace.LIVE_MS
        assert lanes(made, read_at=long_ago, is_storing=True) == ALONE


async def test_beside_live_events_a_slice_waits_for_the_pause_after_the_one_before_and_wakes_the_loop() -> None:
    clock, woken = FakeClock(), asyncio.Event()
    made = Pace(clock, woken.set, 0)
    async with made.alarm:
        assert lanes(made) == BESIDE
        with made.slice():
            pass
        assert lanes(made) == 0
        clock.advance(pace.PAUSE_MS / 1000)
        await woken.wait()
        assert lanes(made) == BESIDE


async def test_beside_live_events_a_slice_waits_for_the_commit_of_the_one_before() -> None:
    made = Pace(FakeClock(), lambda: None, 0)
    async with made.alarm:
        assert lanes(made, is_storing=True) == 0


async def test_a_machine_that_slept_during_a_slice_does_not_rest_for_hours() -> None:
    clock, woken = FakeClock(), asyncio.Event()
    made = Pace(clock, woken.set, 0)
    async with made.alarm:
        with made.slice():
            clock.advance(3600)
        clock.advance(pace.PAUSE_CAP_MS / 1000)
        await woken.wait()
        assert lanes(made, read_at=clock.now_ms()) == BESIDE


async def test_live_events_that_never_end_keep_a_slice_waiting_only_so_long() -> None:
    clock, woken = FakeClock(), asyncio.Event()
    made = Pace(clock, woken.set, 0)
    async with made.alarm:
        with made.slice():
            pass
        clock.advance(pace.PAUSE_MS / 1000)
        await woken.wait()
        assert not made.overdue
        clock.advance(2 * pace.OVERDUE_S)
        assert made.overdue


async def test_a_slice_takes_more_where_more_live_events_come_than_it_would_let_go() -> None:
    made = Pace(FakeClock(), lambda: None, 1000)
    async with made.alarm:
        assert lanes(made, read_pos=1000 + 10 * BESIDE) > 10 * BESIDE
        assert lanes(made, read_pos=1000 + 10 * BESIDE) == BESIDE
