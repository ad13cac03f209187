"""What is answered of the disk is what it said last: one that hangs holds up no answer."""

from __future__ import annotations

import asyncio
import errno
import os
import threading
from pathlib import Path
from typing import Any

import pytest

from router.backup import last_backup
from router.daemon.disk_looks import LOOK_S, DiskLooks
from router.store import disk_space
from tests.contract.rig import open_rig
from tests.flow.harness import eventually


async def test_nobody_asks_a_disk_that_hangs_but_one_thread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[threading.Thread] = []
    let_go = threading.Event()
    statvfs = os.statvfs

    def hanging(path: Any) -> Any:
        asked.append(threading.current_thread())
        let_go.wait()
        return statvfs(path)

    async with open_rig(tmp_path) as rig:

        async def is_looking() -> bool:
            rig.clock.advance(LOOK_S)  # again and again: the watch may not have begun to wait at the first one
            return bool(asked)

        health, backups = rig.store.health, last_backup.Known(rig.store.path)
        last_backup.path_of(rig.store.path).write_text('{"made_at":"2026-11-28T10:00:00Z","file":"/b","events":1}')
        async with DiskLooks(health, backups, rig.clock, rig.log).watched():
            try:
                monkeypatch.setattr(os, "statvfs", hanging)
                await eventually(is_looking)
                for _ in range(20):
                    rig.clock.advance(3600)
                    await asyncio.sleep(0)
                    assert (health.may_append(), health.problems()) == (True, [])
                    assert rig.store.sizes.left_bytes() > 0
                    assert backups.last is not None
                assert len(asked) == 1
                assert asked[0] is not threading.main_thread()
            finally:
                let_go.set()


async def test_a_file_of_a_backup_that_hangs_keeps_nobody_from_the_room_and_the_loop_never_asks_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[threading.Thread] = []
    let_go = threading.Event()
    statvfs = os.statvfs

    def noted(path: Any) -> Any:
        asked.append(threading.current_thread())
        return statvfs(path)

    async with open_rig(tmp_path) as rig:
        health, backups = rig.store.health, last_backup.Known(rig.store.path)

        async def is_asked() -> bool:
            rig.clock.advance(LOOK_S)
            assert health.may_append()
            return len(asked) > 3

        async with DiskLooks(health, backups, rig.clock, rig.log).watched():
            try:
                monkeypatch.setattr(backups, "look", let_go.wait)
                monkeypatch.setattr(os, "statvfs", noted)
                await eventually(is_asked)
                assert threading.main_thread() not in asked
            finally:
                let_go.set()


async def test_after_a_look_that_failed_the_loop_does_not_ask_either(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[threading.Thread] = []

    def refused(path: Any) -> Any:
        asked.append(threading.current_thread())
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    async with open_rig(tmp_path) as rig:
        health, backups = rig.store.health, last_backup.Known(rig.store.path)

        async def has_failed() -> bool:
            rig.clock.advance(LOOK_S)
            return bool(asked)

        async with DiskLooks(health, backups, rig.clock, rig.log).watched():
            monkeypatch.setattr(os, "statvfs", refused)
            await eventually(has_failed)
            for _ in range(5):
                rig.clock.advance(3600)
                assert health.may_append()
            assert threading.main_thread() not in asked
            monkeypatch.undo()


async def test_a_new_backup_is_seen_at_the_next_look(tmp_path: Path) -> None:
    async with open_rig(tmp_path) as rig:
        backups = last_backup.Known(rig.store.path)

        async def is_seen() -> bool:
            rig.clock.advance(LOOK_S)
            return backups.last is not None

        async with DiskLooks(rig.store.health, backups, rig.clock, rig.log).watched():
            assert backups.last is None
            last_backup.path_of(rig.store.path).write_text('{"made_at":"2026-11-28T10:00:00Z","file":"/b","events":1}')
            assert backups.last is None
            await eventually(is_seen)


async def test_the_size_of_the_wal_is_that_of_the_last_look_and_the_loop_asks_for_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[threading.Thread] = []
    size_of = disk_space._size_of

    def noted(file: Path) -> int:
        asked.append(threading.current_thread())
        return size_of(file)

    async with open_rig(tmp_path) as rig:
        await rig.call("identify", "m1", userId="u1")
        monkeypatch.setattr(disk_space, "_size_of", noted)
        backups = last_backup.Known(rig.store.path)
        async with DiskLooks(rig.store.health, backups, rig.clock, rig.log).watched():
            assert rig.store.sizes.wal_bytes() == size_of(Path(f"{rig.store.path}-wal")) > 0
            assert asked
            assert threading.main_thread() not in asked
