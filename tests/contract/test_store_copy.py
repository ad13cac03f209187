"""A store is copied into another one, and nothing of it is missing there. Copies that are interrupted are no stores."""

from __future__ import annotations

import sqlite3
from collections.abc import Awaitable, Callable
from contextlib import closing
from pathlib import Path

import pytest

from router.errors import CopyError, StartError
from router.store import ORDER_KEY_STEP, CommitBatch, LaneRow
from router.store.copy import copy
from router.store.copy.copying import _cut
from router.store.copy.postgres_source import open_postgres_source
from router.store.copy.postgres_target import open_postgres_target
from router.store.copy.sqlite_source import open_sqlite_source
from router.store.copy.sqlite_target import open_sqlite_target
from router.store.copy.tables import (
    BEGUN_BY_THE_DATABASE,
    COMPUTED_FOR_THE_DATABASE,
    MADE_BY_THE_FILE,
    OF_THE_DATABASE,
    OF_THE_FILE,
    ONE_SHARD,
    TABLES,
    WITHOUT_PART,
)
from router.store.outcome_blocks import pack_ahead
from router.store.postgres.claim import PostgresClaim
from router.store.postgres.install import SCHEMA as NEWEST
from router.store.postgres.store import open_postgres
from router.store.postgres.trait_hashes import trait_hash
from router.store.rows import LogRow
from router.store.shards import slot_of
from router.store.sqlite.apply_commit import OutcomeCodes
from router.store.sqlite.locks import StoreFiles
from router.store.sqlite.migrations import schema_statements
from router.store.sqlite.store import open_store
from router.testing.clock import START_MS, FakeClock
from router.vocabulary import LaneMode, Queue
from tests.contract import old_stores, store_case
from tests.contract.copy_case import SCHEMA, Quiet, contents, filled, into_database, into_file, seen
from tests.contract.node_case import Among, nodes_on
from tests.contract.postgres_case import OnServer, connected
from tests.contract.rig import Plain, open_rig
from tests.contract.test_store import accept, make, parked_row
from tests.contract.test_store_shards import everyone, give_back, left, settled
from tests.postgres_server import KEYLESS, Server

DISCARDED = "(at, source, code, message, message_id, type, excerpt) VALUES (1, 's', 'c', '', '', '', '')"
NewDatabase = Callable[[], Awaitable[str]]


@pytest.fixture
async def new_database(database_server: Server, on_server: OnServer) -> NewDatabase:
    """Makes empty databases, and gives the address of each."""
    if not on_server._empty:
        await on_server._make_template()  # with the user that needs no password

    async def make() -> str:
        return database_server.dsn(await database_server.database(), KEYLESS)

    return make


@pytest.fixture
async def dsn(new_database: NewDatabase) -> str:
    """The address of an empty database."""
    return await new_database()


# ---------------------------------------------------------------- all tables


def named(which: dict[str, str]) -> dict[str, set[str]]:
    """By table the columns that a list names."""
    return {
        name: {word.rstrip(":") for word in words.partition(";")[0].partition(":")[0].split()}
        for name, words in which.items()
    }


def test_every_table_and_column_of_the_file_is_named_by_the_copy() -> None:
    with closing(sqlite3.connect(":memory:")) as db:
        for statement in schema_statements():
            db.execute(statement)
        names = [name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        there = {name: {row[1] for row in db.execute(f"PRAGMA table_info({name})")} for name in names}
    copied = {}
    for table in TABLES:
        columns = {*table.columns, *MADE_BY_THE_FILE.get(table.name, ())}
        columns |= set() if table.name in ("source", "code") else {"part"}
        copied[{"unit": "cursor"}.get(table.name, table.name)] = columns - (
            {"shard"} if table.name in ONE_SHARD else set()
        )
    copied["cursor"] -= {"clock", "floors"}
    del copied["member"]  # rows of `meta`
    of_the_file = {**named(dict(OF_THE_FILE)), "meta": {"key", "value"}}
    assert {**copied, **of_the_file} == there


async def test_every_table_and_column_of_the_database_is_named_by_the_copy(dsn: str) -> None:
    async with open_postgres(dsn, lambda mark: FakeClock(), dedupe_window_s=60, needs_fsync=False):
        pass
    there: dict[str, set[str]] = {}
    async with connected(dsn) as connection:
        sql = "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = 'public'"
        for name, column in await connection.fetch(sql):
            there.setdefault(name, set()).add(column)
    copied = {
        table.name: {
            *table.columns,
            *COMPUTED_FOR_THE_DATABASE.get(table.name, ()),
            *BEGUN_BY_THE_DATABASE.get(table.name, ()),
            *(() if table.name in WITHOUT_PART else ("part",)),
        }
        for table in TABLES
    }
    own = named(dict(OF_THE_DATABASE))
    for name in ("command", "node"):  # none of their rows is copied, whatever they have
        own[name] = there[name]
    assert {**copied, **own} == there


async def test_what_went_into_a_database_and_back_is_what_was_there_in_every_table(tmp_path: Path, dsn: str) -> None:
    path = filled(tmp_path / "from")
    (tmp_path / "to").mkdir()
    progress = Quiet()
    there = await into_database(path, dsn, progress)
    back = await into_file(dsn, tmp_path / "to/router.db")
    before, after = contents(path), contents(tmp_path / "to/router.db")
    assert [table for table, rows in before.items() if not rows] == []
    discard, regulation = before["discard"][0], before["regulation"]
    before["discard"] = [
        tuple("why \ufffd" if value == "why \x00" else value for value in discard)
    ]  # PostgreSQL has no NUL
    before["regulation"] = [(*row[:3], row[3].replace(b'"pos":11', b'"pos":0')) for row in regulation]
    assert after == before
    assert there.ledger == back.ledger
    assert there.rows == back.rows
    assert {*progress.parts} == {"log", "checking", *(table.name for table in TABLES)}


async def test_a_copy_goes_from_database_to_database_and_from_file_to_file_too(
    tmp_path: Path, new_database: NewDatabase
) -> None:
    path, dsn, another = filled(tmp_path), await new_database(), await new_database()
    await into_database(path, dsn)
    async with (
        open_postgres_source(dsn, "the database") as source,
        open_postgres_target(another, "another", 0, needs_fsync=False) as target,
    ):
        await copy(source, target, Quiet())
    await into_file(dsn, tmp_path / "a.db")
    await into_file(another, tmp_path / "b.db")
    async with open_sqlite_source(tmp_path / "b.db") as read, open_sqlite_target(tmp_path / "c.db", 0) as made:
        await copy(read, made, Quiet())
    assert contents(tmp_path / "a.db") == contents(tmp_path / "b.db") == contents(tmp_path / "c.db")


async def test_each_message_id_of_the_log_is_known_in_the_copy_also_of_erased_events(tmp_path: Path, dsn: str) -> None:
    path = filled(tmp_path / "from")
    await into_database(path, dsn)
    await into_file(dsn, path.with_name("copy.db"))
    with closing(sqlite3.connect(path)) as db:
        positions = {pos for (pos,) in db.execute("SELECT pos FROM log")}
    copied = seen(path.with_name("copy.db"))
    assert set(copied.values()) == positions, "an id that came twice leads to its newest event"
    assert {hashed: pos for hashed, pos in seen(path).items() if pos in positions}.items() <= copied.items()
    async with connected(dsn) as connection:
        assert await connection.fetchval("SELECT count(*) FROM seen_0") == len(copied)
        assert await connection.fetchval("SELECT count(*) FROM erased") == 2


async def test_what_only_a_database_has_follows_from_what_was_copied(tmp_path: Path, dsn: str) -> None:
    await into_database(filled(tmp_path), dsn)
    async with connected(dsn) as connection:
        for table in ("lane", "parked", "dead", "supply", "timer"):
            slots = await connection.fetch(f"SELECT user_key, slot FROM {table}")
            assert slots, table
            assert [row for row in slots if row["slot"] != slot_of(row["user_key"])] == [], table
        assert await connection.fetchval("SELECT email FROM person") == trait_hash("ada@EXAMPLE.com")
        assert await connection.fetchval("SELECT name FROM company WHERE group_id = 'acme'") == trait_hash("acme")
        first = await connection.fetchval("SELECT min(first) FROM block")
        assert first > 1, "older events were trimmed"
        assert await connection.fetchval("SELECT pos FROM trim") == first - 1
        done = dict(await connection.fetch("SELECT id, is_done FROM regulation"))
        assert done == {"reg-1": True, "reg-2": False}
        for table, new in (("code", "(state, reason) VALUES ('dead', 'new')"), ("discard", DISCARDED)):
            key = {"code": "code", "discard": "id"}[table]
            newest = await connection.fetchval(f"SELECT max({key}) FROM {table}")
            assert await connection.fetchval(f"INSERT INTO {table} {new} RETURNING {key}") == newest + 1
        assert await connection.fetchval("SELECT nextval('block_id') > max(id) FROM block")


async def test_a_file_that_came_from_a_database_reads_no_message_ids_again_when_it_starts(
    tmp_path: Path, dsn: str
) -> None:
    await into_database(filled(tmp_path), dsn)
    await into_file(dsn, tmp_path / "new.db")
    with closing(sqlite3.connect(tmp_path / "new.db")) as db:
        assert db.execute("SELECT merged = pos FROM head").fetchone() == (1,)


def test_blocks_of_the_log_end_where_a_demand_to_forget_ends() -> None:
    events = [LogRow(pos, 0, "s", "track", "u:a", f"m{pos}", b"") for pos in range(10, 20)]
    parts = [[event.pos for event in part] for part in _cut(events, [3, 9, 12, 12, 15, 19, 40])]
    assert parts == [[10, 11, 12], [13, 14, 15], [16, 17, 18, 19]]


# ---------------------------------------------------------------- it goes on


async def test_what_waits_goes_on_in_the_database(
    tmp_path: Path, on_server: OnServer, dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await into_database(old_stores.unpack(SCHEMA, tmp_path), dsn)
    on_server._databases[tmp_path / "router.db"] = dsn.rpartition("/")[2]
    monkeypatch.setattr(store_case, "opens", on_server.open)
    await old_stores.deliver_waiting(tmp_path, SCHEMA)


async def test_what_waits_goes_on_in_a_file_that_came_from_a_database(tmp_path: Path, dsn: str) -> None:
    path = old_stores.unpack(SCHEMA, tmp_path)
    await into_database(path, dsn)
    path.unlink()
    await into_file(dsn, path)
    await old_stores.deliver_all(tmp_path, SCHEMA)


def test_numbers_of_outcomes_that_are_missing_in_a_database_are_not_given_out_twice_in_a_file() -> None:
    with closing(sqlite3.connect(":memory:")) as db:
        db.execute("CREATE TABLE code (code INTEGER PRIMARY KEY, state TEXT, reason TEXT)")
        db.executemany("INSERT INTO code VALUES (?, ?, ?)", [(1, "delivered", ""), (7, "dead", "no")])
        codes = OutcomeCodes()
        codes.reload(db)
        assert [codes.code(db, "dead", reason) for reason in ("no", "new", "newer")] == [7, 8, 9]


# ---------------------------------------------------------------- what is refused


async def test_a_file_in_use_is_refused_on_either_side(tmp_path: Path, dsn: str) -> None:
    path = filled(tmp_path)
    with closing(StoreFiles(path)), pytest.raises(StartError, match="another segment-router process is using it"):
        await into_database(path, dsn)
    await into_database(path, dsn)
    with closing(StoreFiles(tmp_path / "new.db")), pytest.raises(StartError, match="is using it"):
        await into_file(dsn, tmp_path / "new.db")


async def test_a_target_that_is_not_empty_is_refused_and_left_as_it_is(tmp_path: Path, dsn: str) -> None:
    path = filled(tmp_path)
    before = path.read_bytes()
    await into_database(path, dsn)
    with pytest.raises(CopyError, match=r"is not empty: it has tables of segment-router already. Make a new database"):
        await into_database(path, dsn)
    with pytest.raises(CopyError, match=r"there is a store at .*router.db already: move it away"):
        await into_file(dsn, path)
    assert path.read_bytes() == before


async def test_a_store_of_another_schema_is_refused_with_what_to_do(tmp_path: Path, dsn: str) -> None:
    (tmp_path / "old").mkdir()
    old = old_stores.unpack(SCHEMA - 1, tmp_path / "old")
    with pytest.raises(
        CopyError, match=rf"has schema {SCHEMA - 1}, .* copies schema {SCHEMA}: start the daemon of this version"
    ):
        await into_database(old, dsn)
    await into_database(filled(tmp_path), dsn)
    async with connected(dsn) as connection:
        await connection.execute("UPDATE version SET schema = schema + 1")
    with pytest.raises(CopyError, match=rf"has schema {NEWEST + 1}, .* copies schema {NEWEST}: use the newer version"):
        await into_file(dsn, tmp_path / "new.db")


@pytest.mark.parametrize("text", ["", "no store at all, but long enough to be looked at" * 30])
async def test_a_file_that_is_no_store_is_refused(tmp_path: Path, dsn: str, text: str) -> None:
    (tmp_path / "notes").write_text(text)
    with pytest.raises(CopyError, match="is not a"):
        await into_database(tmp_path / "notes", dsn)
    with pytest.raises(CopyError, match="there is no store at"):
        await into_database(tmp_path / "nothing", dsn)
    with pytest.raises(CopyError, match="the database has no tables of segment-router"):
        await into_file(dsn, tmp_path / "new.db")
    assert not (tmp_path / "new.db").exists()


async def test_a_database_that_a_node_uses_is_refused_and_one_that_it_used_meanwhile(tmp_path: Path, dsn: str) -> None:
    await into_database(filled(tmp_path), dsn)
    open_node = nodes_on(dsn)
    async with open_node(1, "d"):
        with pytest.raises(CopyError, match="the database is in use by node-1: stop all nodes"):
            await into_file(dsn, tmp_path / "new.db")

    async with open_postgres_source(dsn, "the database") as source:
        async with connected(dsn) as connection:
            await connection.execute("UPDATE unit SET epoch = epoch + 1")
        with pytest.raises(CopyError, match="a node has used the database meanwhile"):
            async with open_sqlite_target(tmp_path / "new.db", 0) as target:
                await copy(source, target, Quiet())
    assert not (tmp_path / "new.db").exists()


async def test_a_database_with_commands_that_are_not_done_is_refused(tmp_path: Path, dsn: str) -> None:
    await into_database(filled(tmp_path), dsn)
    async with connected(dsn) as connection:
        await connection.execute("INSERT INTO command (part, destination, text) VALUES (0, 'd', '')")
    with pytest.raises(CopyError, match="1 commands of operators that were accepted and are not carried out yet"):
        await into_file(dsn, tmp_path / "new.db")


async def test_a_log_with_a_gap_is_refused(tmp_path: Path, dsn: str) -> None:
    path = filled(tmp_path)
    with closing(sqlite3.connect(path)) as db:
        db.execute("DELETE FROM log WHERE pos = (SELECT max(pos) - 3 FROM log)")
        db.commit()
    with pytest.raises(CopyError, match=r"the log has gaps .*: the source is damaged"):
        await into_database(path, dsn)


# ---------------------------------------------------------------- copies that are interrupted


@pytest.mark.parametrize("part", ["regulation", "log", "parked", "checking"])
async def test_an_interrupted_copy_into_a_database_is_no_store_and_begins_anew(
    tmp_path: Path, dsn: str, part: str
) -> None:
    path = filled(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        await into_database(path, dsn, Quiet(part))
    with pytest.raises(StartError, match="a copy into the database was interrupted, or is under way"):
        async with open_postgres(dsn, lambda mark: FakeClock(), dedupe_window_s=60, needs_fsync=False):
            pass
    with pytest.raises(CopyError, match="is a copy that was interrupted, so it is not whole"):
        await into_file(dsn, tmp_path / "new.db")
    await into_database(path, dsn)
    async with open_postgres(dsn, lambda mark: FakeClock(), dedupe_window_s=60, needs_fsync=False) as (store, _):
        assert (await store.queries.ledger(["d"]))["accepted"] > 0


@pytest.mark.parametrize("part", ["regulation", "log", "parked", "checking"])
async def test_an_interrupted_copy_into_a_file_is_no_store_and_begins_anew(tmp_path: Path, dsn: str, part: str) -> None:
    path, new = filled(tmp_path), tmp_path / "new.db"
    await into_database(path, dsn)
    with pytest.raises(KeyboardInterrupt):
        await into_file(dsn, new, Quiet(part))
    with pytest.raises(StartError, match=r"new.db: a copy into it was interrupted: run `store copy SOURCE sqlite:"):
        async with open_store(new, lambda mark: FakeClock(), dedupe_window_s=60, min_free_bytes=0):
            pass
    await into_file(dsn, new)
    assert names_of(tmp_path, "new.db*") == ["new.db", "new.db.lock", "new.db.regulations"]


def names_of(folder: Path, pattern: str) -> list[str]:
    return sorted(file.name for file in folder.glob(pattern))


async def test_two_copies_do_not_fill_one_database(dsn: str) -> None:
    async with open_postgres_target(dsn, "the database", 0, needs_fsync=False):
        with pytest.raises(CopyError, match="another `store copy` is filling the database"):
            async with open_postgres_target(dsn, "the database", 0, needs_fsync=False):
                pass


# ---------------------------------------------------------------- shards


async def test_a_destination_in_shards_becomes_one_that_sends_what_no_shard_has_settled_and_nothing_twice(
    tmp_path: Path, dsn: str
) -> None:
    open_node = nodes_on(dsn)
    async with open_node(1, "d") as node:
        claims = await everyone(node, 4)
        await accept(node, *(make(f"m{n}", userId=f"u{n}", messageId=f"m{n}") for n in range(80)))
        waiting: set[int] = set()
        for claim in claims:
            own = await left(node, claim)
            waiting |= await leave_in_all_states(node, claim, own[: 6 * (claim.unit.shard + 1)])
            waiting |= set(own[6 * (claim.unit.shard + 1) :])
        await give_back(*claims)
        first, second = await everyone(node, 2)  # each has floors
        for pos in (await left(node, first))[:2]:
            await first.commit(settled(pos, pos))
            waiting.discard(pos)
        assert second.cursor.floors
        ledger = (await node.queries.ledger(["d"]))["destinations"]["d"]
        await give_back(first, second)
        await node.execute("UPDATE unit SET gate = 'before'")  # what is held is asked again
    copied = await into_file(dsn, tmp_path / "router.db")
    assert {state: ledger[state] for state in copied.ledger["d"]} == copied.ledger["d"]
    async with open_rig(tmp_path) as rig:
        rig.start(Plain)
        told = await rig.pass_time(600, step=60)
        assert sorted(rig.vendor.ids()) == sorted(f"m{pos - 1}" for pos in waiting)
        assert [told[state] for state in ("held", "retrying", "queued")] == [0, 0, 0]
        assert told["delivered"] + told["dead"] + told["filtered"] == 80


async def leave_in_all_states(node: Among, claim: PostgresClaim, positions: list[int]) -> set[int]:
    """A shard's events are delivered, filtered, dead, held, retried or queued behind that, in turn. Returns those that are not settled."""
    batch = CommitBatch("d", pos=positions[0] - 1, ahead=pack_ahead(positions[0] - 1, positions), at=START_MS)
    events = {row.pos: row for row in await node.read(0, 1000, 1_000_000)}
    waiting = set()
    for n, pos in enumerate(positions):
        event, state = events[pos], ("delivered", "filtered", "dead", "held", "retrying", "queued")[n % 6]
        if state in ("delivered", "filtered", "dead"):
            batch.settled[pos] = (state, "")
        else:
            waiting.add(pos)
            is_held = state == "held"
            batch.park[pos] = parked_row(
                pos, event.message_id, event.user_key, Queue.HELD if is_held else Queue.MAIN, state=state
            )
            mode, due = (LaneMode.WAITING, None) if is_held else (LaneMode.RETRY, START_MS + 1)
            need = event.user_key if is_held else ""
            batch.lanes[event.user_key] = LaneRow(
                event.user_key,
                mode,
                need,
                "",
                "",
                due,
                0,
                is_held,
                not is_held,
                START_MS * is_held,
                pos * ORDER_KEY_STEP * is_held,
            )
        if state != "queued":
            batch.count(state)
        batch.count("parked_bytes", len(event.body) * (pos in batch.park))
    await claim.commit(batch)
    return waiting
