"""Whether a start would open the store, and whether its upgrade has room. Nothing is changed by the look."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from router.doctor.finding import Level
from router.doctor.store_file import store_file, upgrade
from router.doctor.time_of_day import clock
from router.errors import BackupError, StartError
from router.store.sqlite.locks import StoreFiles
from router.store.sqlite.migrations import SCHEMA
from router.store.sqlite.private_files import make_private
from router.store.sqlite.snapshot import used_bytes
from tests.contract.old_stores import unpack
from tests.small_disk import memory_disk
from tests.unit.doctor.subjects import levels, subject_in


def test_the_store_is_told_by_its_schema(tmp_path: Path) -> None:
    subject = subject_in(tmp_path)
    assert next(one.sentence for one in store_file(subject)).startswith("there is no store at")
    store = unpack(3, tmp_path)
    [found] = store_file(subject)
    assert (found.level, f"has schema 3; the next start upgrades it to {SCHEMA}" in found.sentence) == (Level.OK, True)
    unpack(SCHEMA, tmp_path)
    assert "the one of this version" in next(store_file(subject)).sentence
    with closing(sqlite3.connect(store)) as db:
        db.execute(f"PRAGMA user_version = {SCHEMA + 1}")
    assert levels(store_file(subject)) == [("store", "error")]
    store.write_bytes(b"no database" * 1000)
    assert levels(store_file(subject)) == [("store", "error")]
    (tmp_path / "router.db.restoring").write_text("router.db.before-restore-x")
    assert "a restore was interrupted" in next(store_file(subject)).sentence


@pytest.mark.parametrize(("make", "what"), [(os.mkdir, "it is a folder"), (os.mkfifo, "it is no file but a pipe")])
def test_what_is_no_file_keeps_the_daemon_from_starting_and_nobody_waits_for_it(
    make: Callable[[Path], None], what: str, tmp_path: Path
) -> None:
    subject = subject_in(tmp_path)
    assert subject.store is not None
    make(subject.store)
    subject.store.chmod(0o755)
    [found] = store_file(subject)
    assert (found.level, what in found.sentence) == (Level.ERROR, True)
    assert levels([*upgrade(subject), *clock(subject)]) == []
    with pytest.raises(StartError, match=f"{what}.*set another store.url, or remove it"):
        StoreFiles(subject.store)
    assert make_private(subject.store) == []
    with pytest.raises(BackupError, match="there is no store at"):
        used_bytes(subject.store)


def test_doctor_changes_nothing_where_only_the_end_of_a_restore_is_missing(tmp_path: Path) -> None:
    unpack(SCHEMA, tmp_path)
    marker, old = tmp_path / "router.db.restoring", tmp_path / "router.db.before-restore-x"
    marker.write_text(old.name)
    old.write_bytes(b"the old store")
    assert "the one of this version" in next(store_file(subject_in(tmp_path))).sentence
    assert marker.exists()


def test_a_copy_that_was_interrupted_is_named_as_the_start_names_it(tmp_path: Path) -> None:
    (tmp_path / "router.db.copying").write_bytes(b"half")
    [found] = store_file(subject_in(tmp_path))
    assert (found.level, "a copy into it was interrupted" in found.sentence) == (Level.ERROR, True)
    assert f"delete {tmp_path}/router.db.copying" in (found.remedy or "")
    unpack(SCHEMA, tmp_path)
    assert levels(store_file(subject_in(tmp_path))) == [("store", "ok")]


def test_an_empty_store_is_no_upgrade_and_that_of_another_program_is_none_of_ours(tmp_path: Path) -> None:
    subject = subject_in(tmp_path)
    (tmp_path / "router.db").touch()
    [found] = store_file(subject)
    assert (found.level, found.sentence) == (
        Level.OK,
        f"{subject.store} is empty; the first start makes the store in it",
    )
    with closing(sqlite3.connect(tmp_path / "router.db")) as db:
        db.execute("CREATE TABLE theirs (x)")
    [found] = store_file(subject)
    assert (found.level, "of another program" in found.sentence) == (Level.WARNING, True)


def test_a_store_whose_tables_cannot_be_read_is_damaged_though_its_header_is_whole(tmp_path: Path) -> None:
    store = unpack(3, tmp_path)
    with closing(sqlite3.connect(store)) as db:
        page_size = db.execute("PRAGMA page_size").fetchone()[0]
        root = db.execute("SELECT rootpage FROM sqlite_master WHERE name = 'log'").fetchone()[0]
    with store.open("r+b") as file:
        file.seek((root - 1) * page_size)
        file.write(bytes(page_size))
    subject = subject_in(tmp_path)
    [found] = store_file(subject)
    assert (found.level, "malformed" in found.sentence) == (Level.ERROR, True)
    store.write_bytes(b"no database" * 1000)
    assert levels(upgrade(subject)) == []


def test_an_older_store_needs_room_for_its_upgrade(tmp_path: Path) -> None:
    subject = subject_in(tmp_path)
    assert levels(upgrade(subject)) == []
    unpack(SCHEMA, tmp_path)
    assert levels(upgrade(subject)) == []
    unpack(1, tmp_path)
    assert levels(upgrade(subject)) == [("upgrade", "ok")]
    with memory_disk(tmp_path / "disk", "size=4m") as disk:
        small = replace(subject, store=unpack(1, disk))
        assert levels(upgrade(small)) == [("upgrade", "error")]
