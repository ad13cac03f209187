"""Stores of earlier schemas: opened, nothing of them is lost, and everything that waited in them is delivered.

`old_stores.py` says what is in them.
"""

from __future__ import annotations

import os
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from router.deliver.runner import ReplayOrder
from router.errors import StartError
from router.store import DeadLetterFilter
from router.store.sqlite import before_migration
from router.store.sqlite.migration_from_1 import restart_group_rounds
from router.store.sqlite.migrations import SCHEMA, migrate
from tests.contract import make_store
from tests.contract.old_stores import FIXTURES, OLD, SCHEMAS, WRITTEN_MS, Waking, deliver_all, unpack
from tests.contract.rig import Gated, Rig, open_rig
from tests.contract.simulation.invariants import rows_and_counters
from tests.small_disk import memory_disk, remount


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the store of schema 1."""
    return unpack(1, tmp_path).parent


@pytest.fixture
def migrated(folder: Path) -> Iterator[sqlite3.Connection]:
    """The store, brought to this schema."""
    with closing(sqlite3.connect(folder / "router.db", isolation_level=None)) as db:
        migrate(db, folder / "router.db", 0)
        yield db


def test_there_is_a_store_of_each_schema() -> None:
    missing = [schema for schema in SCHEMAS if not (FIXTURES / f"store-{schema}.db.gz").exists()]
    assert missing == [], (
        "make it by the program that has this schema: python -m tests.contract.make_store tests/fixtures"
    )
    assert OLD.keys() == set(SCHEMAS)


@pytest.mark.parametrize("schema", SCHEMAS)
async def test_everything_that_waited_in_an_old_store_is_delivered(schema: int, tmp_path: Path) -> None:
    unpack(schema, tmp_path)
    await deliver_all(tmp_path, schema)


@pytest.mark.parametrize("schema", SCHEMAS[2:])
async def test_an_upgrade_changes_no_count_and_no_fate(schema: int, tmp_path: Path) -> None:
    unpack(schema, tmp_path)
    async with open_rig(tmp_path, now_ms=WRITTEN_MS) as rig:
        ledger = (await rig.store.queries.ledger(["d"]))["destinations"]["d"]
        assert {state: ledger[state] for state in make_store.LEDGER} == make_store.LEDGER
        assert [(await rig.fate(m))[0] for m in make_store.HELD] == ["held"] * len(make_store.HELD)
        assert [(await rig.fate(m))[0] for m in make_store.DEAD] == ["dead"] * len(make_store.DEAD)
        assert await rig.fate("retry-1") == ("retrying", "status_503")
        assert await rig.fate("behind-1") == ("queued", "behind_lane")
        assert await rig.fate("free-7") == ("delivered", "")
        assert await rig.store.queries.stored_call("old-7", None) is None, "it was trimmed before"
        assert await rig.store.queries.stored_call("held-old", None) is not None, "though it is older"


async def test_everything_that_waited_in_a_store_of_schema_1_is_delivered(folder: Path) -> None:
    async with open_rig(folder, now_ms=WRITTEN_MS) as rig:
        rig.start(Waking)
        ledger = await rig.quiet()
        assert (ledger["delivered"], ledger["held"], ledger["dead"]) == (65, 5, 2)
        assert await rig.fate("old-held-1") == ("held", "group_unknown")
        assert await rig.fate("old-dead") == ("dead", "rejected")
        assert await rig.fate("wake:d:cdcaab6871dacb34:1767691219000") == ("dead", "rejected")
        for user in ("u1", "u2", "u3"):
            await rig.call("group", f"group-{user}", userId=user, groupId="acme")
        await rig.call("group", "group-x", anonymousId="x", groupId="acme")
        await rig.pass_time(600)
        assert set(rig.vendor.ids()) >= OLD[1].waiting
        assert [m for m in rig.vendor.ids() if m in ("later-1", "queued-1", "queued-2")] == [
            "later-1",
            "queued-1",
            "queued-2",
        ]
        await rig.runner.replay(ReplayOrder(letters=DeadLetterFilter()))
        ledger = await rig.pass_time(60)
        assert set(rig.vendor.ids()) >= OLD[1].dead
        assert [ledger[state] for state in ("held", "retrying", "queued", "dead", "replayed")] == [0, 0, 0, 0, 1]
        assert await rig.fate("old-held-1") == ("delivered", ""), "though its event is in no log"
        await rig.stop()
    with closing(sqlite3.connect(folder / "router.db")) as db:
        rows_and_counters(db)
        assert db.execute("SELECT count(*) FROM kept WHERE body IS NOT NULL").fetchone() == (0,)
        assert db.execute("SELECT count(*) FROM woken").fetchone() == (0,)


def test_a_migrated_store_keeps_one_copy_of_what_its_log_has_no_more(migrated: sqlite3.Connection) -> None:
    rows_and_counters(migrated)
    assert [pos for (pos,) in migrated.execute("SELECT pos FROM kept ORDER BY pos")] == [4, 5, 6, 7, 8]
    assert migrated.execute("SELECT count(*) FROM woken").fetchone() == (2,)


def test_a_migrated_store_is_made_like_a_new_one(migrated: sqlite3.Connection) -> None:
    def schema(db: sqlite3.Connection) -> dict[str, str]:
        rows = db.execute("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL")
        return {name: " ".join(sql.replace('"', "").split()) for name, sql in rows}

    def columns(db: sqlite3.Connection, table: str) -> list[tuple[object, ...]]:
        return [row[1:4] for row in db.execute(f"PRAGMA table_info({table})")]

    with closing(sqlite3.connect(":memory:", isolation_level=None)) as new:
        migrate(new, Path("unused"), 0)
        there, wanted = schema(migrated), schema(new)
        assert there.keys() == wanted.keys()
        assert migrated.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        indexes = {name for name, sql in wanted.items() if sql.startswith("CREATE INDEX")}
        assert {name: there[name] for name in indexes} == {name: wanted[name] for name in indexes}
        for table in wanted.keys() - indexes:
            assert columns(migrated, table) == columns(new, table), table


def test_the_store_before_the_migration_is_kept_beside_it(folder: Path, migrated: sqlite3.Connection) -> None:
    with closing(sqlite3.connect(folder / f"router.db.before-{SCHEMA}")) as db:
        assert db.execute("PRAGMA user_version").fetchone() == (1,)
        assert db.execute("SELECT count(*) FROM parked WHERE body <> x''").fetchone() == (9,)


async def test_a_store_of_schema_2_tells_every_outcome_as_before_and_attempts_from_now_on(tmp_path: Path) -> None:
    unpack(2, tmp_path)
    async with open_rig(tmp_path, now_ms=WRITTEN_MS) as rig:
        rig.start(Gated)
        await rig.quiet()
        told = {m: await attempts(rig, m) for m in ("free-3", "late", "retried", "dead")}
        assert told == {
            "free-3": ("delivered", []),
            "late": ("delivered", []),
            "retried": ("delivered", ["status_503", ""]),
            "dead": ("dead", ["no"]),
        }
        await rig.call("group", "group-2", userId="u2", groupId="acme", traits={"name": "Acme"})
        await rig.quiet()
        assert await attempts(rig, "held") == await attempts(rig, "group-2") == ("delivered", [""])
        await rig.stop()
    with closing(sqlite3.connect(tmp_path / "router.db")) as db:
        rows_and_counters(db)
        assert db.execute("PRAGMA user_version").fetchone() == (SCHEMA,)
    with closing(sqlite3.connect(tmp_path / f"router.db.before-{SCHEMA}")) as db:
        assert db.execute("PRAGMA user_version").fetchone() == (2,)


async def attempts(rig: Rig, message_id: str) -> tuple[str, list[str]]:
    """The state of a message, and the reason of each attempt."""
    answer = await rig.store.queries.message(message_id, None, ["d"])
    assert answer is not None
    told = answer["destinations"]["d"]
    return told["state"], [one["reason"] for one in told["attempts"]]


async def test_a_migration_that_fails_leaves_the_store_as_it_was(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*words: object) -> None:
        raise sqlite3.OperationalError("disk I/O error")

    with monkeypatch.context() as patches:
        patches.setattr("router.store.sqlite.migration_from_1.restart_group_rounds", fail)
        with pytest.raises(StartError, match="disk I/O error"):
            async with open_rig(folder, now_ms=WRITTEN_MS):
                pass
    with closing(sqlite3.connect(folder / "router.db")) as db:
        assert db.execute("PRAGMA user_version").fetchone() == (1,)
        assert db.execute("SELECT count(*) FROM parked WHERE body <> x''").fetchone() == (9,)
    async with open_rig(folder, now_ms=WRITTEN_MS) as rig:
        assert (await rig.store.queries.ledger(["d"]))["destinations"]["d"]["held"] == 5


def test_a_replay_in_its_round_of_group_calls_goes_on_in_it() -> None:
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as db:
        migrate(db, Path("unused"), 0)
        job = b'{"kind":"span","first":3,"last":20,"pos":9,"groups_first":true}'
        db.execute("INSERT INTO replay VALUES (0, 'd', ?, 'running', 'span', 9)", (job,))
        restart_group_rounds(db)
        [(job, pos)] = db.execute("SELECT job, pos FROM replay").fetchall()
        assert (b'"groups_pos":9' in job, b'"pos":3' in job, pos) == (True, True, 3)


def test_a_store_of_schema_3_gets_the_tables_and_the_key_of_people(tmp_path: Path) -> None:
    path = unpack(3, tmp_path)
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        migrate(db, path, 0)
        assert db.execute("SELECT count(*) FROM regulation").fetchone() == (0,)
        assert db.execute("SELECT count(*) FROM suppressed").fetchone() == (0,)
        assert db.execute("SELECT length(value) FROM meta WHERE key = 'people_key'").fetchone() == (32,)


def test_a_store_of_schema_4_gets_the_table_of_counts_and_keeps_its_key(tmp_path: Path) -> None:
    path = unpack(4, tmp_path)
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        key = db.execute("SELECT value FROM meta WHERE key = 'people_key'").fetchone()
        migrate(db, path, 0)
        assert db.execute("SELECT count(*) FROM counted").fetchone() == (0,)
        assert db.execute("SELECT name FROM sqlite_master WHERE name = 'counted_by_age'").fetchone() is not None
        assert db.execute("SELECT value FROM meta WHERE key = 'people_key'").fetchone() == key


# ---------------------------------------------------------------- the copy to go back with


def copies(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.glob("router.db.before-*"))


async def test_one_copy_is_kept_and_it_is_the_newest(folder: Path) -> None:
    for name in ("before-2", "before-3", "before-3.partial", "before-restore-20260102T030405Z", "before-lunch"):
        (folder / f"router.db.{name}").touch()
    kept = ["router.db.before-lunch", "router.db.before-restore-20260102T030405Z"]
    async with open_rig(folder, now_ms=WRITTEN_MS):
        pass
    assert copies(folder) == sorted([*kept, f"router.db.before-{SCHEMA}"])
    async with open_rig(folder, now_ms=WRITTEN_MS):
        pass
    assert f"router.db.before-{SCHEMA}" in copies(folder), "later starts leave it"


def version(store: Path) -> tuple[int, str]:
    """Its schema, and whether it is whole."""
    with closing(sqlite3.connect(store)) as db:
        (schema,), (words,) = (
            db.execute("PRAGMA user_version").fetchone(),
            db.execute("PRAGMA integrity_check").fetchone(),
        )
    return schema, words


async def test_without_room_for_a_copy_nothing_is_changed_and_with_room_it_goes_on(tmp_path: Path) -> None:
    with memory_disk(tmp_path / "disk", "size=4m") as disk:
        store = unpack(1, disk)
        with pytest.raises(
            StartError, match=r"needs [\d,]+ bytes free, for a copy .*: make room there, then start again"
        ):
            async with open_rig(disk):
                pass
        assert (version(store), copies(disk)) == ((1, "ok"), [])
        remount(disk, "size=64m")
        async with open_rig(disk):
            pass
        assert (version(store), copies(disk)) == ((SCHEMA, "ok"), [f"router.db.before-{SCHEMA}"])


async def test_a_disk_that_fills_up_meanwhile_leaves_the_store_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(before_migration, "needed_bytes", lambda used, schema: 0)
    with memory_disk(tmp_path / "disk", "size=4m") as disk:
        store = unpack(1, disk)
        (disk / "filling").write_bytes(bytes(4 * 2**20 - store.stat().st_size - 100_000))
        with pytest.raises(StartError, match=f"the disk is full: make room on {disk}, then start again"):
            async with open_rig(disk):
                pass
        assert (version(store), copies(disk)) == ((1, "ok"), [])
        (disk / "filling").unlink()
        async with open_rig(disk):
            pass
        assert version(store) == (SCHEMA, "ok")


def test_a_store_that_is_written_again_needs_three_times_its_room_and_others_once() -> None:
    size = 1_000_000_000
    assert before_migration.needed_bytes(size, 1) == 3 * size + before_migration.MARGIN_BYTES
    assert [before_migration.needed_bytes(size, schema) for schema in (2, 3, 4)] == [
        size + before_migration.MARGIN_BYTES
    ] * 3


# ---------------------------------------------------------------- a newer store


def everything_in(folder: Path) -> dict[str, bytes]:
    """The files that are the store. The lock and the index of the WAL are no part of it."""
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.suffix in (".db", ".db-wal")}


async def test_a_store_of_a_newer_program_is_refused_and_not_touched(tmp_path: Path) -> None:
    store = unpack(SCHEMA, tmp_path)
    with closing(sqlite3.connect(store)) as db:
        db.execute(f"PRAGMA user_version = {SCHEMA + 1}")
        db.commit()
    before = everything_in(tmp_path)
    words = f"has schema {SCHEMA + 1}, this segment-router knows up to {SCHEMA}: install the newer version again"
    with pytest.raises(StartError, match=re.escape(words)):
        async with open_rig(tmp_path, now_ms=WRITTEN_MS):
            pass
    assert everything_in(tmp_path) == before
    assert sorted(os.listdir(tmp_path)) == ["router.db", "router.db.lock"]


async def test_a_newer_store_that_a_killed_program_left_in_its_wal_is_refused_and_not_touched(tmp_path: Path) -> None:
    live, killed = tmp_path / "live", tmp_path / "killed"
    live.mkdir()
    killed.mkdir()
    store = unpack(SCHEMA, live)
    with closing(sqlite3.connect(store)) as db:
        db.execute("PRAGMA journal_mode = WAL")
        db.execute(f"PRAGMA user_version = {SCHEMA + 1}")
        db.commit()
        for path in live.glob("router.db*"):
            (killed / path.name).write_bytes(path.read_bytes())
    assert (killed / "router.db-wal").stat().st_size > 0
    before = everything_in(killed)
    with pytest.raises(StartError, match="It is left as it is"):
        async with open_rig(killed):
            pass
    assert everything_in(killed) == before
