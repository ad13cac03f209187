"""SIGKILL before each thing that a backup or a restore does to a file leaves the old or the new, and never a mix of the two."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from router.backup import archive
from router.errors import StartError
from router.store import Demand
from router.store.sqlite import regulation_file, snapshot
from router.store.sqlite.locks import half_restored
from tests.contract.killed_backup import NOW_MS, Silent, make, put_back
from tests.contract.rig import Gated, open_rig
from tests.contract.test_backup import names
from tests.contract.test_people import a_life

ROOT = Path(__file__).parent.parent.parent


def killed(work: str, source: Path, runs: Path) -> list[Path]:
    """The folders of the runs that were killed, and of the last one."""
    command = [sys.executable, "-m", "tests.contract.killed_backup", work, str(source), str(runs)]
    subprocess.run(command, cwd=ROOT, check=True, timeout=300)
    found = sorted(runs.iterdir(), key=lambda path: int(path.name))
    assert len(found) > 8, "each thing it does is one run"
    return found


def copied(folder: Path, to: Path) -> Path:
    """The files of a store in use, as SIGKILL of its daemon would leave them."""
    to.mkdir()
    for name in names(folder, "*.*"):
        if (folder / name).is_file():
            shutil.copy(folder / name, to / name)
    return to


@pytest.fixture
async def source(tmp_path: Path) -> Path:
    """A store with events in its WAL, a person who was suppressed after the backup, and that backup, of fewer events."""
    live = tmp_path / "live"
    async with open_rig(live) as rig:
        await rig.store.cursor("d", rig.clock.now_ms())
        rig.start(Gated)
        await a_life(rig)
        await rig.quiet()
        make(live)
        await rig.store.people.begin(Demand("s1", "SUPPRESS_ONLY", "USER_ID", ("u:y",), suppresses=True))
        await rig.call("track", "later", userId="user-two", event="E")
        await rig.quiet()
        return copied(live, tmp_path / "source")


def events_of_backup(folder: Path) -> int:
    """The events in its backup, which must be whole."""
    to = folder / "unpacked.db"
    about, _ = archive.unpack(folder / "b.tar.zst", to, lambda size: None, Silent())
    assert snapshot.examine(to, to).events == about.events
    to.unlink()
    return about.events


async def events_of_store(folder: Path) -> int:
    """The events in its store, which must be whole, with who is suppressed."""
    async with open_rig(folder) as rig:
        await rig.store.people.begin_again()
        assert "u:y" in rig.store.people.suppressions
        with closing(sqlite3.connect(rig.store.path)) as db:
            assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        return rig.store.head


async def test_a_killed_backup_leaves_the_former_one_or_the_new_one(source: Path, tmp_path: Path) -> None:
    old = events_of_backup(source)
    found = []
    for run in killed("backup", source, tmp_path / "runs"):
        found.append(events_of_backup(run))
        make(run)
        assert names(run, ".router*") == [], "what was left is gone with the next one"
        assert events_of_backup(run) == old + 1
    assert set(found) == {old, old + 1}
    assert found == sorted(found), "from one instant on it is the new one"


async def test_a_killed_restore_leaves_the_old_store_or_the_restored_one(source: Path, tmp_path: Path) -> None:
    backed_up = events_of_backup(source)
    found = []
    for run in killed("restore", source, tmp_path / "runs"):
        assert not half_restored(run / "router.db").exists()
        found.append(await events_of_store(run))
        put_back(run, NOW_MS + 1000)
        assert await events_of_store(run) == backed_up
        assert names(run, ".router*") == []
    assert set(found) == {backed_up, backed_up + 1}
    assert found == sorted(found, reverse=True)


async def test_a_killed_restore_over_a_damaged_store_needs_another_one_at_worst(source: Path, tmp_path: Path) -> None:
    backed_up = events_of_backup(source)
    (source / "router.db").write_bytes(b"damaged" * 5000)
    (source / "router.db-wal").write_bytes(b"its wal")
    states = []
    for run in killed("restore", source, tmp_path / "runs"):
        states.append(state := await state_of(run))
        if state != "new":
            put_back(run)
        kept = names(run, "router.db.before-restore-*")
        assert [len((run / name).read_bytes()) for name in kept] == [35_000, 7], kept
        assert await events_of_store(run) == backed_up
    assert sorted(states, key=["old", "half", "new"].index) == states
    assert set(states) == {"old", "half", "new"}


async def state_of(folder: Path) -> str:
    """`old`: the damaged store and its WAL are as they were. `half`: it does not start. `new`: the restored store, and no WAL."""
    store, wal = folder / "router.db", folder / "router.db-wal"
    if (
        store.exists()
        and store.read_bytes().startswith(b"damaged")
        and wal.exists()
        and not half_restored(store).exists()
    ):
        return "old"
    try:
        async with open_rig(folder):
            return "new"
    except StartError as error:
        return "half" if "a restore was interrupted" in str(error) else str(error)


async def test_a_restore_that_is_killed_loses_no_regulation(source: Path, tmp_path: Path) -> None:
    for run in killed("restore", source, tmp_path / "runs"):
        assert [line.id for line in regulation_file.read(regulation_file.path_of(run / "router.db"))] == ["s1"]
