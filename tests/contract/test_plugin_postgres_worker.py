"""Postgres at a running worker and a real server: faults and what ends them, bounds of tables, deletions, crashes."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from plugins.postgres import Postgres
from router.testing import Bench
from tests.contract.warehouse_case import Database, connected
from tests.postgres_server import PASSWORD, USER, Server

DELIVERED = ("delivered", "")


class Warehouse(Database):
    """A database, and a bench that writes into it."""

    def __init__(self, connection: Any, bench: Bench) -> None:
        super().__init__(connection)
        self.bench = bench

    async def track(self, event: str = "Report Run", user: str = "u1", **properties: Any) -> str:
        return await self.bench.track(userId=user, event=event, properties=properties)

    async def fate(self, event: str) -> tuple[str, str]:
        return await self.bench.fate(event)

    async def detail(self, event: str) -> str:
        """What is told of an event in words, or why the destination is paused."""
        return str((await self.bench.why(event)).get("detail") or self.bench.describe()["state_detail"])


@asynccontextmanager
async def at(server: Server, database: str, dsn: str = "", **settings: Any) -> AsyncIterator[Warehouse]:
    """A bench on a database that is there."""
    async with (
        connected(server, database) as connection,
        Bench(Postgres, {"dsn": dsn or server.dsn(database), **settings}) as bench,
    ):
        yield Warehouse(connection, bench)


@asynccontextmanager
async def on(server: Server, dsn: str = "", **settings: Any) -> AsyncIterator[Warehouse]:
    """The same on a new one."""
    async with at(server, await server.database(), dsn, **settings) as warehouse:
        yield warehouse


@pytest.fixture
async def warehouse(database_server: Server) -> AsyncIterator[Warehouse]:
    async with on(database_server) as warehouse:
        yield warehouse


# ---------------------------------------------------------------- faults


async def test_one_bad_row_halves_a_batch_and_is_a_dead_letter_alone(warehouse: Warehouse) -> None:
    await warehouse.run("CREATE SCHEMA website; CREATE TABLE website.report_run (id text PRIMARY KEY, plan varchar(4))")
    plans = ["gold", "platinum", "free"]
    calls = [
        {"type": "track", "userId": plan, "event": "Report Run", "properties": {"plan": plan}, "context": {}}
        for plan in plans
    ]
    good, bad, other = await warehouse.bench.post(calls)
    assert await warehouse.fate(good) == await warehouse.fate(other) == DELIVERED
    assert await warehouse.fate(bad) == ("dead", "rejected")
    assert "character varying(4)" in await warehouse.detail(bad)
    assert await warehouse.rows("report_run", "plan") == ["gold", "free"]
    assert await warehouse.rows("tracks", "id") == [good, other], "an event is written as a whole or not at all"


@pytest.mark.parametrize(
    ("change", "columns", "values"),
    [
        ("DROP TABLE website.report_run", ("price",), [2]),
        (
            "ALTER TABLE website.report_run ALTER price TYPE boolean USING true",
            ("price", "price__bigint"),
            [(True, None), (None, 2)],
        ),
    ],
    ids=["dropped", "another type"],
)
async def test_a_table_that_somebody_changes_meanwhile_costs_no_event(
    warehouse: Warehouse, change: str, columns: tuple[str, ...], values: list[Any]
) -> None:
    await warehouse.track(price=1)
    await warehouse.run(change)
    event = await warehouse.track(price=2)
    assert await warehouse.fate(event) == ("retrying", "table_changed")
    await warehouse.bench.advance(seconds=2)
    assert await warehouse.fate(event) == DELIVERED
    assert await warehouse.rows("report_run", *columns) == values


@pytest.mark.parametrize(
    ("table", "words"),
    [("id text, event text", "no unique or exclusion constraint"), ("id uuid PRIMARY KEY", "has to be text")],
)
async def test_a_table_without_a_key_of_text_pauses_until_somebody_corrects_it(
    warehouse: Warehouse, table: str, words: str
) -> None:
    await warehouse.run(f"CREATE SCHEMA website; CREATE TABLE website.tracks ({table})")
    event = await warehouse.track()
    assert warehouse.bench.status == ("paused", "set_up")
    assert words in await warehouse.detail(event)
    await warehouse.run("DROP TABLE website.tracks")
    await warehouse.bench.advance(minutes=6)
    assert (await warehouse.fate(event), warehouse.bench.status) == (DELIVERED, ("running", ""))


async def test_a_table_of_users_without_an_instant_pauses_until_somebody_corrects_it(warehouse: Warehouse) -> None:
    await warehouse.run("CREATE SCHEMA website; CREATE TABLE website.users (id text PRIMARY KEY, received_at date)")
    event = await warehouse.bench.identify(userId="u1", traits={"plan": "gold"})
    assert warehouse.bench.status == ("paused", "set_up")
    assert "column received_at of table website.users is date: it has to be a timestamp" in await warehouse.detail(
        event
    )
    await warehouse.run("DROP TABLE website.users")
    await warehouse.bench.advance(minutes=6)
    assert await warehouse.fate(event) == DELIVERED
    assert await warehouse.rows("users", "id", "plan") == [("u1", "gold")]


@pytest.mark.parametrize(
    ("user", "password", "database", "reason"),
    [
        (USER, PASSWORD, "postgres?no_such_parameter=1", "set_up"),
        (USER, "wrong-passw0rd", "postgres", "credentials"),
        ("nobody_here", PASSWORD, "postgres", "credentials"),
        (USER, PASSWORD, "no_such_database", "set_up"),
    ],
)
async def test_what_an_operator_has_to_correct_pauses(
    database_server: Server, user: str, password: str, database: str, reason: str
) -> None:
    async with on(database_server, database_server.dsn(database, user, password)) as warehouse:
        event = await warehouse.track()
        assert warehouse.bench.status == ("paused", reason)
        assert (await warehouse.fate(event))[0] == "queued"
        assert password not in await warehouse.detail(event)


async def test_a_right_that_is_missing_pauses_until_it_is_granted(database_server: Server) -> None:
    database = await database_server.database()
    dsn = database_server.dsn(database, "reader", "r3ader-word")
    async with at(database_server, database, dsn) as warehouse:
        await warehouse.run("DROP ROLE IF EXISTS reader; CREATE ROLE reader LOGIN PASSWORD 'r3ader-word'")
        event = await warehouse.track()
        assert warehouse.bench.status == ("paused", "set_up")
        await warehouse.run("CREATE SCHEMA website; GRANT ALL ON SCHEMA website TO reader")
        await warehouse.bench.advance(minutes=5)
        assert await warehouse.fate(event) == DELIVERED, "it needs no right to make a schema that is there"
        await warehouse.run("DROP OWNED BY reader")


async def test_a_connection_that_is_lost_costs_no_event(warehouse: Warehouse) -> None:
    await warehouse.track()
    await warehouse.run(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'segment-router'"
    )
    await warehouse.track()
    await warehouse.bench.advance(minutes=1)
    assert (await warehouse.bench.ledger())["delivered"] == await warehouse.count("tracks") == 2


async def test_a_server_that_is_not_there_is_a_retry(database_server: Server) -> None:
    async with on(database_server, "postgresql://loader:p@127.0.0.1:1/events") as warehouse:
        assert await warehouse.fate(await warehouse.track()) == ("retrying", "connection")


async def test_a_lock_that_is_held_too_long_is_a_retry(database_server: Server) -> None:
    async with on(database_server, statement_timeout_s=0.2) as warehouse:
        await warehouse.track()
        async with warehouse.connection.transaction():
            await warehouse.run("LOCK TABLE website.tracks IN ACCESS EXCLUSIVE MODE")
            event = await warehouse.track()
            assert (await warehouse.fate(event))[0] == "retrying"
        await warehouse.bench.advance(minutes=1)
        assert await warehouse.fate(event) == DELIVERED


async def test_what_is_sent_again_after_a_crash_or_a_replay_is_there_once(warehouse: Warehouse) -> None:
    await warehouse.bench.identify(userId="u1", traits={"plan": "gold"})
    await warehouse.track(price=1)
    await warehouse.bench.crash()
    await warehouse.bench.replay()
    assert [await warehouse.count(table) for table in ("identifies", "users", "tracks", "report_run")] == [1] * 4


# ---------------------------------------------------------------- as many tables as it may make


async def test_beyond_max_tables_an_event_is_in_the_table_of_other_events_and_nothing_of_it_is_lost(
    database_server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    async with on(database_server, max_tables=2) as warehouse:
        for n in range(4):
            await warehouse.track(f"Order {n} Paid", price=n, owner={"city": "Brno"})
        await warehouse.track("Order 0 Paid", price=7)
        assert await warehouse.names() == {"tracks", "order_0_paid", "order_1_paid", "other_events"}
        assert await warehouse.rows("order_0_paid", "price") == [0, 7]
        assert await warehouse.rows("other_events", "event", "event_text", "user_id") == [
            ("order_2_paid", "Order 2 Paid", "u1"),
            ("order_3_paid", "Order 3 Paid", "u1"),
        ]
        overflows = [json.loads(overflow) for overflow in await warehouse.rows("other_events", "overflow")]
        assert [(one["price"], one["owner_city"]) for one in overflows] == [(2, "Brno"), (3, "Brno")]
        assert "price" not in await warehouse.types("other_events")
        assert await warehouse.count("tracks") == 5
        assert warehouse.bench.warnings == {"no_table_left": 2}
        assert (await warehouse.bench.ledger())["delivered"] == 5
    assert [line for line in caplog.messages if "max_tables" in line] == [
        "schema website has max_tables tables for events: events of new names are put into other_events"
    ]


async def test_a_batch_of_known_and_new_names_is_written_as_a_whole(database_server: Server) -> None:
    async with on(database_server, max_tables=2) as warehouse:
        names = ["a", "b", "c", "d", "Other Events"]
        await warehouse.bench.post([{"type": "track", "userId": f"u{name}", "event": name} for name in names])
        assert len(await warehouse.names() - {"tracks", "other_events"}) == 2
        assert await warehouse.count("other_events") == 3
        assert warehouse.bench.warnings == {"no_table_left": 3}


async def test_calls_that_are_no_track_calls_have_their_tables_also_where_events_get_none(
    database_server: Server,
) -> None:
    async with on(database_server, max_tables=0) as warehouse:
        await warehouse.bench.post([{"type": type} for type in ("identify", "group", "page", "screen", "track")])
        calls = {"identifies", "users", "groups", "pages", "screens", "tracks"}
        assert await warehouse.names() == calls | {"other_events"}


async def test_two_routers_make_no_more_tables_than_one(database_server: Server) -> None:
    async with on(database_server, max_tables=2) as one:
        database = await one.connection.fetchval("SELECT current_database()")
        async with at(database_server, database, max_tables=2) as other:
            for n in range(3):
                await one.track(f"One {n}")
                await other.track(f"Other {n}")
            assert await one.names() == {"tracks", "one_0", "other_0", "other_events"}


async def test_a_table_that_somebody_else_made_is_used_and_not_counted(database_server: Server) -> None:
    async with on(database_server, max_tables=1) as warehouse:
        await warehouse.run("CREATE SCHEMA website; CREATE TABLE website.theirs (id text PRIMARY KEY)")
        for name in ("Theirs", "Ours", "Too Many"):
            await warehouse.track(name)
        assert [await warehouse.count(table) for table in ("theirs", "ours", "other_events")] == [1, 1, 1]


async def test_an_event_whose_table_would_have_the_name_of_something_else_is_in_the_table_of_other_events(
    warehouse: Warehouse, caplog: pytest.LogCaptureFixture
) -> None:
    await warehouse.run(
        "CREATE SCHEMA website; CREATE VIEW website.daily AS SELECT 1; CREATE TYPE website.mood AS ENUM ()"
    )
    names = ["Foo", "Foo Pkey", "Tracks Pkey", "Daily", "Mood"]
    await warehouse.bench.post([{"type": "track", "userId": f"u{name}", "event": name} for name in names])
    again = await warehouse.track("Foo Pkey", price=1)
    assert await warehouse.fate(again) == DELIVERED
    held = sorted(await warehouse.rows("other_events", "event_text"))
    assert held == ["Daily", "Foo Pkey", "Foo Pkey", "Mood", "Tracks Pkey"]
    assert (await warehouse.count("foo"), await warehouse.count("tracks")) == (1, 6)
    assert warehouse.bench.warnings == {"no_table_left": 5}
    assert len([line for line in caplog.messages if line.startswith("no table website.foo_pkey for its event")]) == 1


async def test_a_table_that_cannot_be_made_takes_no_place_of_another_one(database_server: Server) -> None:
    async with on(database_server, max_tables=1) as warehouse:
        await warehouse.run("CREATE SCHEMA website; CREATE VIEW website.daily AS SELECT 1")
        calls = [{"type": "track", "userId": f"u{name}", "event": name} for name in ("Daily", "Foo")]
        await warehouse.bench.post(calls)
        await warehouse.bench.advance(seconds=1)
        assert (await warehouse.count("foo"), await warehouse.count("other_events")) == (1, 1)


async def test_a_view_in_the_place_of_a_table_of_calls_pauses_until_it_is_gone(warehouse: Warehouse) -> None:
    await warehouse.run("CREATE SCHEMA website; CREATE VIEW website.tracks AS SELECT 1")
    event = await warehouse.track()
    assert warehouse.bench.status == ("paused", "set_up")
    assert "website.tracks has to be a table" in await warehouse.detail(event)
    await warehouse.run("DROP VIEW website.tracks")
    await warehouse.bench.advance(minutes=6)
    assert await warehouse.fate(event) == DELIVERED


async def test_with_more_room_new_events_have_a_table_again(database_server: Server) -> None:
    async with on(database_server, max_tables=0) as warehouse:
        await warehouse.track()
        database = await warehouse.connection.fetchval("SELECT current_database()")
    async with at(database_server, database, max_tables=1) as warehouse:
        await warehouse.bench.advance(seconds=1)
        await warehouse.bench.track(messageId="later", event="Report Run")
        assert (await warehouse.rows("report_run", "id"), await warehouse.count("other_events")) == (["later"], 1)


# ---------------------------------------------------------------- deletions


async def test_a_person_is_deleted_from_all_tables_of_ours_and_from_no_other(database_server: Server) -> None:
    async with on(database_server, max_tables=1) as warehouse:
        bench = warehouse.bench
        await bench.identify(userId="u1", anonymousId="a1")
        await bench.identify(userId="u2")
        await bench.call("page", userId=None, anonymousId="a1")
        for name in ("Report Run", "Beyond"):
            await warehouse.track(name)
        await warehouse.run("CREATE TABLE website.theirs (user_id text); INSERT INTO website.theirs VALUES ('u1')")
        assert await bench.deletion(await bench.forget("u1")) == ("FINISHED", "")
        tables = ("identifies", "users", "tracks", "report_run", "other_events", "pages", "theirs")
        assert [await warehouse.count(table) for table in tables] == [1, 1, 0, 0, 0, 0, 1]
        assert await warehouse.rows("users", "id") == ["u2"]


async def test_a_group_is_deleted(warehouse: Warehouse) -> None:
    bench = warehouse.bench
    for group in ("acme", "else"):
        await bench.group(userId="u1", groupId=group)
    await bench.track(context={"groupId": "acme"})
    kept = await bench.track(context={})
    assert await bench.deletion(await bench.forget_group("acme")) == ("FINISHED", "")
    assert (await warehouse.rows("groups", "group_id"), await warehouse.rows("tracks", "id")) == (["else"], [kept])
