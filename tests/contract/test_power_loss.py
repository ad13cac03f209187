"""A power cut at any instant: what was acknowledged is on the disk, whatever the disk made of the rest.

The real store writes real files through a VFS that remembers every write, truncation and sync. Then, for many instants, the
files are put together again as a disk may hold them after a cut: what was synced is there, each later write is there,
missing or torn, and so are new sizes and new names. The store is opened on them.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping
from pathlib import Path
from random import Random

import pytest

from router.errors import StartError, StoreError
from router.store.sqlite import connection, dedupe
from tests.contract.promises import Promises, opened
from tests.faulty_vfs import IOERR_FSYNC, IOERR_WRITE, Disk, Done, Unreachable, faulty_disk
from tests.power_cut import PowerCut
from tests.sampled import every

CUTS = 80
"""For each seed."""


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Iterator[Disk]:
    """A disk that records; checkpoints and merges of the index are frequent enough to be cut in the middle."""
    monkeypatch.setattr(dedupe, "MERGE_AT", 40)
    prepared_with(monkeypatch, "PRAGMA wal_autocheckpoint = 25")
    try:
        with faulty_disk() as disk:
            yield disk
    except Unreachable as error:
        pytest.skip(str(error))


def prepared_with(monkeypatch: pytest.MonkeyPatch, pragma: str) -> None:
    """The writing connection gets this setting on top of its own."""
    prepare = connection._prepare_writer

    def more(db: sqlite3.Connection) -> None:
        prepare(db)
        db.execute(pragma)

    monkeypatch.setattr(connection, "_prepare_writer", more)


async def told(disk: Disk, folder: Path, seed: int) -> tuple[Promises, PowerCut, int]:
    """A story of two lives of the store, written down; and where its record ends."""
    record: list[Done] = []
    disk.record = record
    promises = Promises(Random(seed), now=lambda: len(record))
    for _ in range(2):
        async with opened(folder) as store:
            await promises.story(store, appends=25)
    disk.record = None
    return promises, PowerCut(record), len(record)


def laid_out(folder: Path, files: Mapping[str, bytes]) -> Path:
    """These files, in a folder of their own."""
    folder.mkdir()
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return folder


async def cut_and_check(disk: Disk, folder: Path, seed: int, cuts: int) -> None:
    """One story, and what is left of it after each of these cuts."""
    promises, power, end = await told(disk, folder, seed)
    random = Random(f"cuts of {seed}")
    acknowledged = [event[0] for event in promises.events] + [step[0] for step in promises.steps]
    instants = [random.choice(acknowledged) if random.random() < 0.4 else random.randint(0, end) for _ in range(cuts)]
    for number, cut in enumerate(sorted(instants)):
        power.go_to(cut)
        after = laid_out(folder / f"cut-{number}", power.files(random))
        try:
            await promises.check(after, cut, twice=number % 4 == 0)
        except (AssertionError, StartError) as error:
            error.add_note(f"seed {seed}, cut at {cut} of {end}, files in {after}")
            raise


@pytest.mark.parametrize("seed", every(3, range(6)))
async def test_nothing_acknowledged_is_lost_by_a_power_cut_at_any_instant(
    disk: Disk, tmp_path: Path, seed: int
) -> None:
    await cut_and_check(disk, tmp_path, seed, CUTS)


@pytest.mark.parametrize("synchronous", ["NORMAL", "OFF"])
async def test_these_cuts_find_what_a_store_loses_that_does_not_sync_every_commit(
    disk: Disk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, synchronous: str
) -> None:
    prepared_with(monkeypatch, f"PRAGMA synchronous = {synchronous}")
    with pytest.raises((AssertionError, StartError, sqlite3.DatabaseError)):  # the last: the file is broken
        await cut_and_check(disk, tmp_path, seed=0, cuts=60)


async def test_what_a_failed_sync_left_to_be_read_is_on_the_disk_before_anybody_relies_on_it(
    disk: Disk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepared_with(monkeypatch, "PRAGMA wal_autocheckpoint = 1000")  # so that there is something left in the WAL
    record = disk.record = list[Done]()
    again = connection.write_again

    def noted(path: Path) -> None:
        again(path)
        if disk.record is record and path.exists():
            number = [done.file for done in record if done.name == path.name][-1]
            record.extend((Done("write", number, 0, path.read_bytes()), Done("sync", number)))

    monkeypatch.setattr(connection, "write_again", noted)
    promises = Promises(Random(1), now=lambda: len(record))
    async with opened(tmp_path) as store:
        await promises.story(store, appends=2)
        disk.fault = lambda verb, kind: IOERR_FSYNC if verb == "sync" else IOERR_WRITE if kind == "db" else 0
        with pytest.raises(StoreError):
            await promises.append(store, 1)
    disk.fault = None
    async with opened(tmp_path) as store:
        found = await store.append([promises.call(promises.asked[-1])], [None], [])
        assert found == [0], "the store has it, so the client gets its 200"
        await promises.append(store, 1)
        end = len(record)
        disk.record = None
    power = PowerCut(record)
    power.go_to(end)
    after = laid_out(tmp_path / "after", power.files(Random(1)))
    await promises.check(after, twice=False)
    async with opened(after) as store:
        assert {row.message_id for row in await store.read(0, 1000, 1 << 30)} == set(promises.asked)
