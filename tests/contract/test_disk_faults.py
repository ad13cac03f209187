"""A disk that fails at any write or sync: no acknowledged event is lost, a full disk passes, any other fault ends the writer."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from random import Random
from typing import Any

import pytest

from router.errors import StartError, StoreClosed, StoreError, StoreFull
from router.event import Call
from router.store import PART, CommitBatch, Opening, Unit
from router.store.sqlite import connection, cursors, dedupe, group_commit, group_transaction
from router.testing.clock import START_MS
from tests.contract.promises import Promises, opened
from tests.faulty_vfs import FULL, IOERR_FSYNC, IOERR_SHMSIZE, IOERR_WRITE, Disk, Unreachable, faulty_disk, nth
from tests.sampled import every

FOREVER = 1 << 60
ORDER_KEY_STEP = {
    ("write", "wal", IOERR_WRITE): (1, 2, 3, 5, 9, 17, 40, 120, 300),
    ("sync", "wal", IOERR_FSYNC): (1, 2, 3, 4, 5, 7, 12, 25),
    ("write", "db", IOERR_WRITE): (1, 2, 3, 10, 25, 50),
    ("sync", "db", IOERR_FSYNC): (1, 2, 3),
    ("truncate", "db", IOERR_WRITE): (1,),
    ("write", "journal", IOERR_WRITE): (1, 2),
    ("sync", "journal", IOERR_FSYNC): (1, 2),
}
"""Which call of a kind fails: the first ones open the store and make its tables, the others come in the middle of things."""


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Iterator[Disk]:
    """A disk that does as it is told; checkpoints and merges of the index come often enough to meet every fault."""
    monkeypatch.setattr(dedupe, "MERGE_AT", 40)
    prepare = connection._prepare_writer

    def with_small_wal(db: sqlite3.Connection) -> None:
        prepare(db)
        db.execute("PRAGMA wal_autocheckpoint = 25")

    monkeypatch.setattr(connection, "_prepare_writer", with_small_wal)
    try:
        with faulty_disk() as disk:
            yield disk
    except Unreachable as error:
        pytest.skip(str(error))


async def live(folder: Path, promises: Promises) -> bool:
    """One life of the store, until the story ends or the disk fails. Returns whether it came to its end."""
    ended = False
    try:
        async with opened(folder, trims=promises.trims) as store:
            await promises.story(store, appends=15)
            ended = True
    except* (StoreError, StartError):
        pass
    return ended


@pytest.mark.parametrize(
    ("verb", "kind", "code", "n"),
    every(2, [pytest.param(*what, n) for what, places in ORDER_KEY_STEP.items() for n in places]),
)
@pytest.mark.parametrize("times", [1, FOREVER], ids=["once", "lasting"])
async def test_nothing_acknowledged_is_lost_whichever_write_or_sync_fails(
    disk: Disk, tmp_path: Path, verb: str, kind: str, code: int, n: int, times: int
) -> None:
    disk.fault = nth(n, verb, kind, code, times=times)
    promises = Promises(Random(n), trims=n % 2 == 0)
    await live(tmp_path, promises)
    assert disk.counts[verb, kind] >= n, "the fault was met"
    disk.fault = None
    await promises.check(tmp_path)
    assert await live(tmp_path, promises), "without the fault it works again"
    await promises.check(tmp_path)


@pytest.mark.parametrize("n", [1, 2, 3, 7, 20, 80])
@pytest.mark.parametrize("kind", ["wal", "db"])
async def test_a_full_disk_passes_and_the_story_goes_on_without_a_restart(
    disk: Disk, tmp_path: Path, kind: str, n: int
) -> None:
    promises = Promises(Random(n))
    async with opened(tmp_path) as store:
        await store.cursor("d", START_MS)
        disk.fault = nth(n, "write", kind, FULL, times=30)
        await promises.story(store, appends=15)
        assert not store.writer.broken
    assert (promises.full > 0) == (kind == "wal"), (
        "a checkpoint that finds no room is made later, and nobody waits for it"
    )
    await promises.check(tmp_path)


async def test_a_full_disk_that_stops_the_growth_of_the_index_of_the_wal_passes_too(
    disk: Disk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opened(tmp_path) as store:
        await store.writer.run_alone(lambda db: db.execute("PRAGMA wal_autocheckpoint = 1000000").fetchall())
        disk.fault = nth(1, "map", "db", IOERR_SHMSIZE, times=3)
        grown = [Call("website", "track", f"m{n}", "u:u1", START_MS, b"{}\n" + b"x" * 3_900_000) for n in range(12)]
        full = 0
        for call in grown:
            while True:
                try:
                    await store.append([call], [None], [])
                    break
                except StoreFull:
                    full += 1
        assert full == 3
        assert store.head == 12


async def test_after_a_failed_sync_nothing_more_is_acknowledged(
    disk: Disk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(group_commit, "GROUP_ROWS", 1)  # each waits for a commit of its own
    promises = Promises(Random(1))
    async with opened(tmp_path) as store:
        await store.cursor("d", START_MS)
        disk.fault = nth(4, "sync", "wal", IOERR_FSYNC)
        appends = [promises.append(store, 1) for _ in range(8)]
        found = await asyncio.gather(*appends, return_exceptions=True)
        assert found[:3] == [None] * 3
        assert all(isinstance(error, StoreError) for error in found[3:]), "the fifth sync would have succeeded"
        assert "IOERR_FSYNC" in store.writer.broken
        assert store.writer.failed.is_set()
        with pytest.raises(StoreClosed, match="IOERR_FSYNC"):
            await store.commit(CommitBatch("d", at=START_MS))
    await promises.check(tmp_path)


async def test_a_small_step_is_stored_where_the_events_of_its_group_find_no_room(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        await store.cursor("d", START_MS)
        pages = await store.writer.run_alone(lambda db: db.execute("PRAGMA page_count").fetchone()[0])
        await store.writer.run_alone(lambda db: db.execute(f"PRAGMA max_page_count = {pages + 2}").fetchall())
        big = Call("website", "track", "big", "u:u1", START_MS, b"{}\n" + b" " * 200_000)
        step = CommitBatch("d", state={"k": b"1"}, at=START_MS)
        found = await asyncio.gather(store.append([big], [None], []), store.commit(step), return_exceptions=True)
        assert isinstance(found[0], StoreFull)
        assert found[1] == []
        assert await store.state("d", "k") == {"k": b"1"}


async def test_a_database_file_that_cannot_be_written_is_noticed_though_every_commit_succeeds(
    disk: Disk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(group_transaction, "HEARD_EVERY", 40)
    promises = Promises(Random(1))
    async with opened(tmp_path) as store:
        await store.cursor("d", START_MS)
        disk.fault = nth(1, "write", "db", IOERR_WRITE, times=FOREVER)
        for _ in range(39):
            await promises.append(store, 1)
        with pytest.raises(StoreError, match="IOERR_WRITE"):
            await promises.append(store, 1)
    disk.fault = None
    await promises.check(tmp_path)


async def test_a_full_disk_whose_commit_cannot_be_taken_back_ends_the_writer(
    disk: Disk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unreadable(db: sqlite3.Connection) -> None:
        raise sqlite3.OperationalError("disk I/O error")

    promises = Promises(Random(1))
    async with opened(tmp_path) as store:
        monkeypatch.setattr(store.writer.transaction.dedupe, "load", unreadable)
        disk.fault = nth(1, "write", "wal", FULL)
        with pytest.raises(StoreError, match="is full; then, taking it back: disk I/O error"):
            await promises.append(store, 1)
        with pytest.raises(StoreClosed):
            await promises.append(store, 1)


async def test_a_destination_that_cannot_be_opened_for_want_of_room_can_be_later(disk: Disk, tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        disk.fault = nth(1, "write", "wal", FULL)
        with pytest.raises(StoreFull):
            await store.cursor("d", START_MS)
        assert (await store.cursor("d", START_MS)).added


class RefusesOneCommit(sqlite3.Connection):
    """As with a disk that is full, or a file that is locked, for a moment."""

    refused = False

    def execute(self, sql: str, *args: Any) -> sqlite3.Cursor:
        if sql == "COMMIT" and not self.refused:
            self.refused = True
            raise sqlite3.OperationalError("not now")
        return super().execute(sql, *args)


async def test_a_commit_that_is_refused_leaves_no_transaction_open(tmp_path: Path) -> None:
    async with opened(tmp_path):
        pass
    with closing(sqlite3.connect(tmp_path / "router.db", isolation_level=None, factory=RefusesOneCommit)) as db:
        with pytest.raises(sqlite3.OperationalError, match="not now"):
            cursors.open_unit(db, Unit(PART, "d"), Opening(START_MS))
        assert cursors.open_unit(db, Unit(PART, "d"), Opening(START_MS))[0].added


@pytest.mark.parametrize("fault", [("write", "wal", FULL), ("sync", "wal", IOERR_FSYNC), ("write", "journal", FULL)])
async def test_a_store_that_cannot_be_made_says_why_and_can_be_made_later(
    disk: Disk, tmp_path: Path, fault: tuple[str, str, int]
) -> None:
    disk.fault = nth(1, *fault, times=FOREVER)
    with pytest.raises(StartError, match=r"full|I/O"):
        async with opened(tmp_path):
            pass
    disk.fault = None
    async with opened(tmp_path) as store:
        await Promises(Random(1)).append(store, 1)
