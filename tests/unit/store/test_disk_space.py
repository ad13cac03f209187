"""The reserve on the disk: accepting ends where it begins, growing in its second half."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from router.store import disk_space
from router.store.disk_space import DiskSpace, Room
from router.testing.clock import FakeClock

MIN_FREE = 1_000


class Disk(DiskSpace):
    """With as much room as a test says."""

    def __init__(self, clock: FakeClock, free: int, min_free: int = MIN_FREE) -> None:
        super().__init__(Path(), min_free, clock)
        self.free, self.asked = free, 0

    def _ask(self) -> tuple[int, int]:
        self.asked += 1
        return self.free, 0


@pytest.mark.parametrize(
    ("free", "room"),
    [
        (5_000, Room.ALL),
        (1_000, Room.ALL),
        (999, Room.DELIVERIES),
        (500, Room.DELIVERIES),
        (499, Room.NOTHING_THAT_GROWS),
        (0, Room.NOTHING_THAT_GROWS),
    ],
)
def test_less_is_stored_the_less_is_free(free: int, room: Room) -> None:
    assert Disk(FakeClock(), free).room() == room


def test_without_a_reserve_the_disk_itself_says_when_it_is_full() -> None:
    assert Disk(FakeClock(), 0, min_free=0).room() == Room.ALL


def test_the_disk_is_asked_at_most_once_a_second() -> None:
    clock = FakeClock()
    disk = Disk(clock, 5_000)
    assert disk.room() == Room.ALL
    disk.free = 0
    clock.advance(0.75)
    assert disk.room() == Room.ALL
    assert disk.asked == 1
    clock.advance(0.25)
    assert disk.room() == Room.NOTHING_THAT_GROWS
    assert disk.asked == 2


async def test_what_is_asked_during_the_first_look_has_an_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    disk, begun, may_end = Disk(FakeClock(), 5_000), asyncio.Event(), asyncio.Event()

    async def slowly(ask: Callable[[], tuple[int, int]]) -> tuple[int, int]:
        begun.set()
        await may_end.wait()
        return ask()

    monkeypatch.setattr(disk_space, "in_thread", slowly)
    look = asyncio.create_task(disk.look())
    await begun.wait()
    assert disk.room() == Room.ALL
    may_end.set()
    await look
