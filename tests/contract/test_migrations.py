"""Stores of earlier schemas: opened, nothing of them is lost, and everything that waited in them is delivered.

`store-1.db.gz` was made by the last program of schema 1. Its destination needs a group with a name for tracks. Of its log the first
8 events are trimmed. It holds tracks of u1, u2, u3 and of an anonymousId, two dead letters and one of what a timer returned, and at
u9 a retry with two events behind it, at u7 a retry of what a timer returned and behind it a second sending of new0-0.

`store-2.db.gz` was made by the last program of schema 2. free-0 to free-4 went out at once, late was held and released, retried met a
503 first, dead was refused, and held is held.
"""

from __future__ import annotations

import gzip
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime
from pathlib import Path

import pytest

from router.deliver.runner import ReplayOrder
from router.errors import StartError
from router.plugin import Context, Event, Item, hookimpl
from router.store import DeadLetterFilter
from router.store.sqlite.migration_from_1 import restart_group_rounds
from router.store.sqlite.migrations import SCHEMA, migrate
from tests.contract.rig import Gated, Rig, open_rig
from tests.contract.simulation.invariants import rows_and_counters

FIXTURE = Path(__file__).parent.parent / "fixtures" / "store-1.db.gz"
FIXTURE_2 = FIXTURE.with_name("store-2.db.gz")
WAITING = {
    "old-held-1", "old-held-2", "old-held-3", "old-held-a", "new-held", "later-1", "queued-1", "queued-2", "new0-0",
    "end-k-later",
}  # fmt: skip
DEAD = {"old-dead", "new-dead", "end-dead"}


class Waking(Gated):
    """The plugin that the store was made with."""

    @hookimpl
    def state_key(self, event: Event) -> str | None:
        key = event.properties.get("key")
        return None if key is None else str(key)

    @hookimpl
    def wake(self, key: str, at: datetime, context: Context) -> Item:
        return Item({"m": f"end-{key}", "type": "wake"})


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the store of schema 1."""
    (tmp_path / "router.db").write_bytes(gzip.decompress(FIXTURE.read_bytes()))
    return tmp_path


@pytest.fixture
def migrated(folder: Path) -> Iterator[sqlite3.Connection]:
    """The store, brought to this schema."""
    with closing(sqlite3.connect(folder / "router.db", isolation_level=None)) as db:
        migrate(db, folder / "router.db", 0)
        yield db


async def test_everything_that_waited_in_a_store_of_schema_1_is_delivered(folder: Path) -> None:
    async with open_rig(folder) as rig:
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
        assert set(rig.vendor.ids()) >= WAITING
        assert [m for m in rig.vendor.ids() if m in ("later-1", "queued-1", "queued-2")] == [
            "later-1",
            "queued-1",
            "queued-2",
        ]
        await rig.runner.replay(ReplayOrder(letters=DeadLetterFilter()))
        ledger = await rig.pass_time(60)
        assert set(rig.vendor.ids()) >= DEAD
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
    (tmp_path / "router.db").write_bytes(gzip.decompress(FIXTURE_2.read_bytes()))
    async with open_rig(tmp_path) as rig:
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
            async with open_rig(folder):
                pass
    with closing(sqlite3.connect(folder / "router.db")) as db:
        assert db.execute("PRAGMA user_version").fetchone() == (1,)
        assert db.execute("SELECT count(*) FROM parked WHERE body <> x''").fetchone() == (9,)
    async with open_rig(folder) as rig:
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
    path = tmp_path / "router.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        migrate(db, path, 0)
        for statement in ("DROP TABLE regulation", "DROP TABLE suppressed", "PRAGMA user_version = 3"):
            db.execute(statement)
        db.execute("DELETE FROM meta WHERE key = 'people_key'")
        migrate(db, path, 0)
        assert db.execute("SELECT count(*) FROM regulation").fetchone() == (0,)
        assert db.execute("SELECT count(*) FROM suppressed").fetchone() == (0,)
        assert db.execute("SELECT length(value) FROM meta WHERE key = 'people_key'").fetchone() == (32,)
    assert (tmp_path / f"router.db.before-{SCHEMA}").exists()


def test_a_store_of_schema_4_gets_the_table_of_counts(tmp_path: Path) -> None:
    path = tmp_path / "router.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        migrate(db, path, 0)
        for statement in ("DROP TABLE counted", "PRAGMA user_version = 4"):
            db.execute(statement)
        key = db.execute("SELECT value FROM meta WHERE key = 'people_key'").fetchone()
        migrate(db, path, 0)
        assert db.execute("SELECT count(*) FROM counted").fetchone() == (0,)
        assert db.execute("SELECT name FROM sqlite_master WHERE name = 'counted_by_age'").fetchone() is not None
        assert db.execute("SELECT value FROM meta WHERE key = 'people_key'").fetchone() == key
        assert db.execute("PRAGMA user_version").fetchone() == (5,)
    assert (tmp_path / "router.db.before-5").exists()
