"""Limits, clock, permissions and systemd units."""

from __future__ import annotations

import json
import os
import resource
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from router.backup import last_backup
from router.clock import SystemClock
from router.doctor.descriptors import about_limit, descriptors
from router.doctor.finding import Finding, Level
from router.doctor.permissions import store_files, store_folder
from router.doctor.subject import Subject
from router.doctor.time_of_day import about_state, clock, time_source
from router.doctor.units import units
from router.runtime_file import Running
from router.store.sqlite.store import open_store
from tests.as_nobody import NOBODY, needs_root
from tests.unit.doctor.subjects import levels, subject_in


def running(pid: int, uid: int = 0) -> Running:
    return Running(pid, "http://127.0.0.1:1", "http://127.0.0.1:2", "", uid, uid)


# ---------------------------------------------------------------- open files


@pytest.fixture
def limited() -> Iterator[subprocess.Popen[bytes]]:
    """A process that may open 1,000 files."""
    lines = "import resource, sys; resource.setrlimit(resource.RLIMIT_NOFILE, (1000, 1000)); print(flush=True); sys.stdin.read()"
    with subprocess.Popen([sys.executable, "-c", lines], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        yield process
        process.communicate()


def test_the_limit_of_the_daemon_that_runs_counts(tmp_path: Path, limited: subprocess.Popen[bytes]) -> None:
    [found] = descriptors(subject_in(tmp_path, running=running(limited.pid)))
    assert found.level is Level.WARNING
    assert found.sentence.startswith("the daemon, which uses ")
    assert found.sentence.endswith("may have 1,000 open files: about 744 connections at a time")


def test_without_a_daemon_the_limit_of_the_shell_counts(tmp_path: Path) -> None:
    assert next(descriptors(subject_in(tmp_path))).sentence.startswith("this shell may have")


@pytest.mark.parametrize(
    ("limit", "level"), [(256, "error"), (257, "warning"), (65_536, "ok"), (resource.RLIM_INFINITY, "ok")]
)
def test_a_limit_is_judged_by_the_connections_that_it_allows(limit: int, level: str) -> None:
    assert about_limit(limit, "the daemon").level == level


# ---------------------------------------------------------------- the clock


async def test_a_clock_behind_the_store_is_named(tmp_path: Path) -> None:
    subject = subject_in(tmp_path)
    assert levels(clock(subject)) == []
    ahead_ms = SystemClock().now_ms() + 7_200_000
    assert subject.store is not None
    async with open_store(subject.store, lambda mark: SystemClock(ahead_ms), dedupe_window_s=60, min_free_bytes=0):
        pass
    [found] = clock(subject)
    assert (found.level, "119 min behind the newest time in the store" in found.sentence) == (Level.WARNING, True)
    assert levels(clock(replace(subject, clock=SystemClock(ahead_ms)))) == [("clock", "ok")]


def test_the_kernel_says_whether_its_clock_is_kept_right(tmp_path: Path) -> None:
    assert [about_state(state).level for state in (0, 5, -1)] == [Level.OK, Level.WARNING, Level.UNKNOWN]
    assert [one.code for one in time_source(subject_in(tmp_path))] == ["time_source"]


# ---------------------------------------------------------------- permissions


def test_a_folder_that_the_service_cannot_write_to_keeps_it_from_working(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    subject = subject_in(tmp_path)
    assert levels(store_folder(subject)) == [("store_folder", "ok")]
    assert levels(store_folder(replace(subject, running=running(os.getpid(), NOBODY)))) == [("store_folder", "error")]
    tmp_path.chmod(0o755)
    assert levels(store_folder(replace(subject, running=running(os.getpid(), NOBODY)))) == [("store_folder", "error")]
    tmp_path.chmod(0o777)
    assert levels(store_folder(replace(subject, running=running(os.getpid(), NOBODY)))) == [("store_folder", "ok")]


@needs_root
@pytest.mark.parametrize("end", ["", "-wal", ".lock", ".regulations"])
def test_a_file_of_the_store_that_root_has_copied_there_keeps_the_service_from_working(
    tmp_path: Path, end: str
) -> None:
    subject = subject_in(tmp_path)
    assert subject.store is not None
    ours = Path(f"{subject.store}{end}")
    for path in (subject.store, ours, tmp_path):
        path.touch(0o600)
        os.chown(path, NOBODY, NOBODY)
    assert levels(store_files(subject)) == []
    os.chown(ours, 0, 0)
    [found] = store_files(subject)
    assert (found.level, found.remedy) == (Level.ERROR, f"chown --reference={tmp_path} {ours}")
    assert found.sentence == f"user {NOBODY}, who runs the daemon, cannot write {ours}, which belongs to user 0"
    subprocess.run(found.remedy.split(), check=True)
    assert levels(store_files(subject)) == []


@needs_root
@pytest.mark.parametrize(("name", "mode", "check"), [("the store", 0o400, store_files), ("", 0o500, store_folder)])
def test_what_a_mode_keeps_from_its_owner_gets_a_chmod(
    tmp_path: Path, name: str, mode: int, check: Callable[[Subject], Iterator[Finding]]
) -> None:
    subject = subject_in(tmp_path)
    assert subject.store is not None
    path = subject.store if name else tmp_path
    for one in (subject.store, tmp_path):
        one.touch()
        os.chown(one, NOBODY, NOBODY)
    path.chmod(mode)
    [found] = check(replace(subject, running=running(os.getpid(), NOBODY)))
    assert (found.level, found.remedy.startswith("chmod u+rw")) == (Level.ERROR, True), found
    subprocess.run(found.remedy.split(), check=True)
    assert levels(check(replace(subject, running=running(os.getpid(), NOBODY)))) in ([], [("store_folder", "ok")])


@needs_root
def test_a_folder_of_backups_that_only_root_can_write_to_is_named(tmp_path: Path) -> None:
    subject = subject_in(tmp_path)
    assert subject.store is not None
    folder = tmp_path / "backups"
    folder.mkdir(0o700)
    subject.store.touch(0o600)
    made = {"made_at": "2026-03-02T09:30:00Z", "file": str(folder / "b.tar.zst"), "events": 1}
    last_backup.path_of(subject.store).write_text(json.dumps(made))
    assert levels(store_files(subject)) == [], "root runs it"
    os.chown(subject.store, NOBODY, NOBODY)
    assert levels(store_files(subject)) == [], "root makes the backups, in a folder of root's"
    os.chown(tmp_path, NOBODY, NOBODY)
    [found] = store_files(subject)
    assert (found.level, f"cannot write to {folder}, so the timer" in found.sentence) == (Level.WARNING, True)
    subprocess.run(found.remedy.split(), check=True)
    assert levels(store_files(subject)) == []


# ---------------------------------------------------------------- systemd units


@pytest.fixture
def installed(tmp_path: Path, root: Path) -> tuple[Subject, Path]:
    """A machine on which the shipped service is installed; and its file."""
    folder = tmp_path / "system"
    folder.mkdir()
    shutil.copy(root / "systemd/segment-router.service", folder)
    subject = subject_in(tmp_path, shipped_units=root / "systemd", unit_folders=(tmp_path / "none", folder))
    return subject, folder / "segment-router.service"


def test_a_unit_as_it_is_shipped_is_all_right(installed: tuple[Subject, Path]) -> None:
    assert levels(units(installed[0])) == [("units", "ok")]


def test_a_unit_that_was_copied_from_an_older_version_is_named_with_what_it_lacks(
    installed: tuple[Subject, Path],
) -> None:
    subject, unit = installed
    unit.write_text(unit.read_text().replace("LimitCORE=0\n", "").replace("UMask=0077", "UMask=0022"))
    [found] = units(subject)
    assert found.level is Level.WARNING
    assert found.sentence == f"{unit} differs from the shipped unit: LimitCORE, UMask"
    assert "systemctl daemon-reload" in found.remedy


def test_what_an_operator_sets_is_no_drift(installed: tuple[Subject, Path]) -> None:
    subject, unit = installed
    text = unit.read_text().replace("/opt/segment-router", "/srv/router").replace("MemoryMax=2G", "MemoryMax=8G")
    unit.write_text(text + "\n[Service]\nLoadCredential=key:/etc/key\nIOWeight=200\n")
    assert levels(units(subject)) == [("units", "ok")]


def test_a_drop_in_supplies_what_the_unit_lacks(installed: tuple[Subject, Path]) -> None:
    subject, unit = installed
    unit.write_text(unit.read_text().replace("LimitCORE=0\n", ""))
    drop_in = unit.with_name("segment-router.service.d")
    drop_in.mkdir()
    (drop_in / "more.conf").write_text("[Service]\nLimitCORE=0\n")
    assert levels(units(subject)) == [("units", "ok")]


def test_without_units_there_is_nothing_to_compare(tmp_path: Path, root: Path) -> None:
    subject = subject_in(tmp_path, shipped_units=root / "systemd", unit_folders=(tmp_path,))
    assert [one.sentence for one in units(subject)] == ["no systemd unit of segment-router is installed"]
    assert levels(units(replace(subject, shipped_units=tmp_path / "none"))) == [("units", "unknown")]
