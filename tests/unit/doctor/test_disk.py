"""The disk of the store: room, inodes, mount, syncs."""

from __future__ import annotations

import errno
import os
from dataclasses import replace
from pathlib import Path

import pytest

from router.doctor.disk_sync import about_content, about_time, disk_sync
from router.doctor.examine import Check, examine
from router.doctor.finding import Level
from router.doctor.mount import about_mount, mount, mount_of
from router.doctor.space import inodes, space
from router.doctor.store_file import store_file, upgrade
from tests.small_disk import memory_disk, remount
from tests.unit.doctor.subjects import levels, subject_in

MOUNTS = r"""
22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw,errors=remount-ro
23 22 0:30 / /srv/my\040disk rw,noatime - nfs4 server:/export rw,vers=4.2,hard
24 22 8:2 / /fast rw shared:2 master:7 - ext4 /dev/sdb1 rw,nobarrier,data=ordered
25 22 0:31 / /layer rw - overlay overlay rw,lowerdir=/a,upperdir=/b
26 22 0:32 / /fast/memory rw - tmpfs tmpfs rw,size=1024k
27 22 8:3 / /old ro - ext4 /dev/sdc1 ro
28 22 0:33 / /layer/volume rw - xfs /dev/sdd1 rw,attr2
"""


@pytest.mark.parametrize(
    ("folder", "level", "says"),
    [
        ("/var/lib", "ok", "is on ext4 (/)"),
        ("/srv/my disk/var", "warning", "is on nfs4 (/srv/my disk), a network file system"),
        ("/fast", "warning", "is on ext4 (/fast) with nobarrier: a power cut can lose events"),
        ("/faster", "ok", "is on ext4 (/)"),
        ("/layer/var", "warning", "a layer of a container"),
        ("/layer/volume/var", "ok", "is on xfs"),
        ("/fast/memory", "warning", "in memory"),
        ("/old", "error", "mounted read-only"),
    ],
)
def test_the_mount_of_the_store_says_how_safe_it_is(folder: str, level: str, says: str) -> None:
    found = about_mount(Path(folder), mount_of(Path(folder), MOUNTS.strip()))
    assert (found.level, says in found.sentence) == (level, True), found


def test_a_disk_in_memory_is_found_and_one_that_is_read_only(tmp_path: Path) -> None:
    with memory_disk(tmp_path / "disk", "size=1m") as disk:
        subject = subject_in(disk)
        [found] = mount(subject)
        assert (found.level, f"{disk} is on tmpfs" in found.sentence) == (Level.WARNING, True)
        remount(disk, "ro")
        assert levels(mount(subject)) == [("mount", "error")]
        [found] = disk_sync(subject)
        assert (found.code, found.level, "Read-only file system" in found.sentence) == ("sync", Level.ERROR, True)


def test_a_disk_that_gets_full_is_a_warning_and_a_full_one_an_error(tmp_path: Path) -> None:
    with memory_disk(tmp_path / "disk", "size=4m") as disk:
        subject = subject_in(disk)
        assert levels(space(subject)) == [("space", "ok")]
        (disk / "filling").write_bytes(bytes(2_500_000))
        assert levels(space(subject)) == [("space", "warning")]
        (disk / "more").write_bytes(bytes(700_000))
        [found] = space(subject)
        assert (found.level, "events are answered 503" in found.sentence) == (Level.ERROR, True)


def make_files(folder: Path, count: int) -> None:
    for n in range(count):
        (folder / f"f{n}").touch()


def test_a_disk_without_a_byte_left_takes_no_sync(tmp_path: Path) -> None:
    with memory_disk(tmp_path / "disk", "size=64k") as disk:
        subject = subject_in(disk)
        (disk / "all").write_bytes(bytes(64 * 1024 - 4096))
        [found] = disk_sync(subject)
        assert (found.level, found.remedy) == (Level.ERROR, "make room on this disk")


@pytest.mark.parametrize(
    ("code", "level", "remedy"),
    [
        (errno.EIO, Level.ERROR, "replace the disk"),
        (errno.EDQUOT, Level.ERROR, "make room"),
        (errno.EACCES, Level.UNKNOWN, "run it as root"),
    ],
)
def test_a_sync_that_fails_says_whose_fault_it_is(
    code: int, level: Level, remedy: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(fd: int) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr("os.fdatasync", fails)
    [found] = examine(subject_in(tmp_path), [Check("sync", disk_sync)])
    assert (found.code, found.level, remedy in (found.remedy or "")) == ("sync", level, True)
    assert os.strerror(code) in found.sentence


def test_few_inodes_are_a_warning_and_none_an_error(tmp_path: Path) -> None:
    with memory_disk(tmp_path / "disk", "size=4m,nr_inodes=8") as disk:
        subject = subject_in(disk)
        assert levels(inodes(subject)) == [("inodes", "warning")]
        with pytest.raises(OSError, match="No space left"):
            make_files(disk, 8)
        assert levels(inodes(subject)) == [("inodes", "error")]


def test_what_is_synced_is_read_again_and_nothing_is_left(tmp_path: Path) -> None:
    subject = subject_in(tmp_path)
    before = sorted(tmp_path.iterdir())
    found = list(disk_sync(subject))
    assert [one.code for one in found] == ["sync", "written"]
    assert found[1].level is Level.OK
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize(("median_ms", "level"), [(0.001, "warning"), (0.02, "ok"), (4.0, "ok"), (80.0, "warning")])
def test_the_time_of_a_sync_is_judged(median_ms: float, level: str) -> None:
    assert about_time(median_ms, 90.0, 30).level == level


def test_a_disk_that_loses_what_was_synced_is_an_error() -> None:
    assert about_content(is_same=False, size=8192).level is Level.ERROR


def test_what_config_toml_does_not_place_is_not_looked_for(tmp_path: Path) -> None:
    nowhere = replace(subject_in(tmp_path), store=None)
    checks = (space, inodes, mount, disk_sync, store_file, upgrade)
    assert [list(check(nowhere)) for check in checks] == [[]] * len(checks)
