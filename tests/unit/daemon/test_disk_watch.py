"""An operator is told when the store takes half of the disk it may take, once, and who keeps the log."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from router.clock import SystemClock
from router.daemon.disk_watch import DiskWatch
from router.logger import make_log
from router.store.disk_space import DiskSpace
from router.store.sqlite.sizes import SqliteSizes
from router.testing.clock import START_MS
from tests.contract.rig import open_rig
from tests.contract.store_case import StoreCase

MIN_FREE = 1_000


class FakeRoom(DiskSpace):
    """A disk with as much room as a test says."""

    def __init__(self) -> None:
        super().__init__(Path(), MIN_FREE, SystemClock())
        self.free = 0

    def free_bytes(self) -> int:
        return self.free


@pytest.fixture
def said() -> io.StringIO:
    return io.StringIO()


def lines(said: io.StringIO) -> Iterator[dict[str, Any]]:
    """What the log says of the store."""
    told = map(json.loads, said.getvalue().splitlines())
    return (line for line in told if line["event"] == "store_half_full")


async def opened(store: StoreCase, said: io.StringIO) -> tuple[DiskWatch, FakeRoom, int]:
    """A disk with a store of which one destination has read nothing yet; and the bytes that the store takes."""
    room = FakeRoom()
    store.sizes = SqliteSizes(room, store.writer, store.sizes._reader)
    disk = DiskWatch(store, SystemClock(), make_log("info", "json", stream=said), lambda: ["d"])
    return disk, room, await store.sizes.used_bytes()


async def test_half_of_the_budget_is_told_once_with_who_is_behind(tmp_path: Path, said: io.StringIO) -> None:
    async with open_rig(tmp_path) as rig:
        await rig.store.cursor("d", START_MS)
        calls = [rig.make("track", f"m{n}", userId="u1", event="E") for n in range(3)]
        await rig.accept(calls)
        disk, room, used = await opened(rig.store, said)
        room.free = MIN_FREE + used + 1
        await disk.check()
        assert (disk.problem, [*lines(said)]) == ("", [])
        room.free = MIN_FREE + used
        await disk.check()
        await disk.check()
        [line] = lines(said)
        assert (line["bytes"], line["left_bytes"], line["behind"]) == (used, used, {"d": 3})
        assert "d by 3 events" in disk.problem


async def test_the_words_have_the_figures_of_now_while_it_lasts(tmp_path: Path, said: io.StringIO) -> None:
    async with open_rig(tmp_path) as rig:
        await rig.store.cursor("d", START_MS)
        disk, room, used = await opened(rig.store, said)
        room.free = MIN_FREE + used
        await disk.check()
        assert "behind are none" in disk.problem
        await rig.accept([rig.make("track", f"m{n}", userId="u1", event="E") for n in range(3)])
        room.free = MIN_FREE
        await disk.check()
        assert "may grow by 0 MB" in disk.problem
        assert "behind are d by 3 events" in disk.problem
        assert len([*lines(said)]) == 1


async def test_it_is_told_again_only_after_it_was_well_below(tmp_path: Path, said: io.StringIO) -> None:
    async with open_rig(tmp_path) as rig:
        disk, room, used = await opened(rig.store, said)
        for left, told in ((used, 1), (int(used * 1.2), 1), (used, 1), (2 * used, 1), (used, 2)):
            room.free = MIN_FREE + left
            await disk.check()
            assert len([*lines(said)]) == told


async def test_pages_that_are_free_for_reuse_do_not_count(tmp_path: Path) -> None:
    async with open_rig(tmp_path) as rig:
        before = await rig.store.sizes.used_bytes()

        def fill_and_empty(db: Any) -> None:
            db.execute("CREATE TABLE filler (x BLOB)")
            db.execute("INSERT INTO filler VALUES (zeroblob(1000000))")
            db.execute("DELETE FROM filler")

        await rig.store.writer.run_alone(fill_and_empty)
        assert await rig.store.sizes.used_bytes() < before + 100_000
