"""Postgres, on a real server: tables and columns as they are needed, types, conflicts, bounds, any JSON."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from plugins.postgres import Postgres, PostgresSettings
from plugins.postgres.names import CALL_TABLES
from router.plugin import Context, Delivered, Item, Outcome, RetryLater
from tests.contract.plugin_case import ANY_JSON, event_of, mapped
from tests.contract.warehouse_case import Database, connected
from tests.docs.pages import ROOT, blocks
from tests.postgres_server import Server

Call = dict[str, Any]


class Loader(Database):
    """The plugin on a database of its own: what a batch does, whatever the message ids."""

    def __init__(self, plugin: Postgres, connection: Any) -> None:
        super().__init__(connection)
        self.plugin = plugin

    async def deliver(self, *calls: Call) -> Outcome | Sequence[Outcome]:
        """These calls as one batch."""
        return await self.plugin.deliver([item for call in calls for item in items_of(self.plugin, call)], None)  # type: ignore[arg-type]

    async def load(self, *calls: Call) -> None:
        """The same, and it must be taken."""
        outcome = await self.deliver(*calls)
        assert outcome == Delivered(), outcome


def items_of(plugin: Postgres, call: Call) -> list[Item]:
    return mapped(plugin, event_of({"messageId": "m1", **stamped(call)}), Context())


def stamped(call: Call) -> Call:
    """With the instants that the router gives each call."""
    at = "2024-03-01T10:00:00.000Z"
    return {"timestamp": at, "originalTimestamp": at, "receivedAt": at, "sentAt": at, **call}


def track(message_id: str, event: str = "Report Run", /, **properties: Any) -> Call:
    return {"type": "track", "messageId": message_id, "userId": "u1", "event": event, "properties": properties}


def identify(id: str, user: str = "u1", at: str = "2024-03-01T10:00:00.000Z", **traits: Any) -> Call:
    return {"type": "identify", "messageId": id, "userId": user, "traits": traits, "receivedAt": at}


@asynccontextmanager
async def on(server: Server, database: str = "", dsn: str = "", **settings: Any) -> AsyncIterator[Loader]:
    database = database or await server.database()
    plugin = Postgres(PostgresSettings.model_validate({"dsn": dsn or server.dsn(database), **settings}))
    async with connected(server, database) as connection, plugin.lifetime():
        yield Loader(plugin, connection)


# ---------------------------------------------------------------- tables


async def test_each_type_of_call_has_its_table_and_each_event_one_more(database_server: Server) -> None:
    async with on(database_server) as loader:
        await loader.load(
            identify("m1"),
            {"type": "group", "messageId": "m2", "userId": "u1", "groupId": "acme", "traits": {"name": "Acme"}},
            track("m3"),
            {"type": "page", "messageId": "m4", "userId": "u1", "name": "Pricing"},
            {"type": "screen", "messageId": "m5", "anonymousId": "a1", "name": "Home"},
            {"type": "alias", "messageId": "m6", "userId": "u1", "previousId": "old"},
        )
        calls = {"identifies", "users", "groups", "tracks", "pages", "screens", "aliases"}
        assert await loader.names() == calls | {"report_run"}
        assert await loader.rows("groups", "id", "group_id", "name") == [("m2", "acme", "Acme")]
        assert await loader.rows("tracks", "id", "event", "event_text") == [("m3", "report_run", "Report Run")]
        assert await loader.rows("screens", "anonymous_id", "name") == [("a1", "Home")]
        assert await loader.rows("aliases", "previous_id") == ["old"]


async def test_properties_are_columns_of_the_events_table_and_the_context_of_both(database_server: Server) -> None:
    call = {
        **track("m1", plan="gold", rows=3, price=1.5, ok=True, at="2024-01-02T03:04:05Z", tags=["a"], owner={"name": "Ada"}),
        "context": {"ip": "10.0.0.1", "library": {"name": "js"}},
    }  # fmt: skip
    async with on(database_server) as loader:
        await loader.load(call)
        types = await loader.types("report_run")
        assert {name: types[name] for name in ("plan", "rows", "price", "ok", "at", "tags", "owner_name")} == {
            "plan": "text", "rows": "bigint", "price": "double precision", "ok": "boolean",
            "at": "timestamp with time zone", "tags": "jsonb", "owner_name": "text",
        }  # fmt: skip
        values = await loader.rows("report_run", "plan", "rows", "price", "ok", "at", "tags", "owner_name")
        assert values == [("gold", 3, 1.5, True, datetime(2024, 1, 2, 3, 4, 5, tzinfo=UTC), '["a"]', "Ada")]
        assert await loader.rows("tracks", "context_ip", "context_library_name") == [("10.0.0.1", "js")]
        assert "plan" not in await loader.types("tracks")


async def test_a_column_is_added_when_its_first_value_comes(database_server: Server) -> None:
    async with on(database_server) as loader:
        await loader.load(track("m1", plan=None))
        assert "plan" not in await loader.types("report_run")
        await loader.load(track("m2", plan="gold"))
        await loader.load(track("m3"))
        assert await loader.rows("report_run", "plan") == [None, "gold", None]


async def test_an_event_that_is_written_again_is_there_once_as_it_was(database_server: Server) -> None:
    async with on(database_server) as loader:
        await loader.load(track("m1", plan="gold"), track("m1", plan="gold"))
        await loader.load(track("m1", plan="silver"), track("m2"))
        assert await loader.rows("report_run", "id", "plan") == [("m1", "gold"), ("m2", None)]
        assert await loader.rows("tracks", "id") == ["m1", "m2"]


async def test_a_user_has_one_row_with_what_is_newest_and_a_replay_takes_nothing_back(database_server: Server) -> None:
    early, late = "2024-03-01T10:00:00.000Z", "2024-03-02T10:00:00.000Z"
    async with on(database_server) as loader:
        await loader.load(identify("m1", at=early, plan="free", city="Brno"), identify("m2", at=late, plan="gold"))
        assert await loader.rows("users", "id", "plan", "city") == [("u1", "gold", "Brno")]
        await loader.load(identify("m1", at=early, plan="free", city="Praha"))
        assert await loader.rows("users", "id", "plan", "city") == [("u1", "gold", "Brno")]
        await loader.load(identify("m3", at="2024-03-03T10:00:00.000Z", city="Wien"))
        assert await loader.rows("users", "plan", "city") == [("gold", "Wien")]
        assert await loader.rows("identifies", "id") == ["m1", "m2", "m3"]


@pytest.mark.parametrize("batches", [1, 3])
async def test_a_trait_of_a_user_has_its_newest_value_alone_whatever_its_types(
    database_server: Server, batches: int
) -> None:
    calls = [
        identify(f"m{n}", at=f"2024-03-0{n + 1}T10:00:00.000Z", city="Brno", age=age)
        for n, age in enumerate([5, "old", 2.5])
    ]
    async with on(database_server) as loader:
        await loader.load(identify("m", "u0", age=1), identify("n", "u0", "2024-03-01T11:00:00.000Z", plan="gold"))
        await loader.load(identify("o", "u0", "2024-03-01T12:00:00.000Z", age="older"))
        await loader.load(identify("p", "u0", "2024-03-01T13:00:00.000Z", age=0.5))
        for at in range(batches):
            await loader.load(*calls[at::batches])
        columns = ("id", "age", "age__text", "age__double", "city", "plan")
        assert await loader.rows("users", *columns) == [
            ("u0", None, None, 0.5, None, "gold"),
            ("u1", None, None, 2.5, "Brno", None),
        ]
        await loader.load(identify("q", "u1", "2024-03-05T10:00:00.000Z", city="Wien"))
        await loader.load(identify("r", "u1", "2024-03-02T10:00:00.000Z", age=7))
        assert (await loader.rows("users", *columns))[1] == ("u1", None, None, 2.5, "Wien", None)


async def test_the_overflow_of_a_user_gets_what_is_new_and_loses_nothing(database_server: Server) -> None:
    async with on(database_server) as loader:
        batches: list[Call] = [{"aB": 1, "a_b": 2}, {"plan": "gold"}, {"aB": 3, "a_b": 4, "cD": 5, "c_d": 6}]
        for n, traits in enumerate(batches):
            await loader.load(identify(f"m{n}", at=f"2024-03-0{n + 1}T10:00:00.000Z", **traits))
        await loader.load(identify("m9", at="2024-03-09T10:00:00.000Z", eF=7, e_f=8))
        ((a, plan, overflow),) = await loader.rows("users", "a_b", "plan", "overflow")
        assert (a, plan, json.loads(overflow)) == (3, "gold", {"a_b": 4, "c_d": 6, "e_f": 8})


@pytest.mark.parametrize("in_one_batch", [True, False])
async def test_a_trait_that_gets_a_column_is_no_longer_in_the_overflow_of_its_user(
    database_server: Server, in_one_batch: bool
) -> None:
    traits: dict[str, Any] = {f"p{n}": n for n in range(70)}
    first = [identify("m1", at="2024-03-01T10:00:00.000Z", **traits)]
    then = [identify("m2", at="2024-03-02T10:00:00.000Z", p69="now")]
    async with on(database_server, max_columns=50) as loader:
        await loader.load(*first)
        (overflow,) = await loader.rows("users", "overflow")
        assert json.loads(overflow)["p69"] == 69
        async with on(database_server, await current(loader), max_columns=100) as other:
            if in_one_batch:
                then.insert(0, identify("m3", at="2024-03-01T11:00:00.000Z", p69="soon"))
            await other.load(*then)
            ((p69, overflow),) = await other.rows("users", "p69", "overflow")
            assert (p69, "p69" in json.loads(overflow), json.loads(overflow)["p68"]) == ("now", False, 68)


async def test_each_source_has_a_schema_unless_one_is_set(database_server: Server) -> None:
    async with on(database_server) as loader:
        await loader.load(track("m1"))
        assert await loader.count("tracks") == 1
    async with on(database_server, schema_name="analytics") as loader:
        await loader.load(track("m1"))
        assert await loader.connection.fetchval("SELECT count(*) FROM analytics.tracks") == 1


@pytest.mark.parametrize(
    ("source", "schema"), [("pg-mobile", "_pg_mobile"), ("information schema", "_information_schema"), ("pg", "pg")]
)
async def test_a_source_with_the_name_of_a_schema_of_postgresql_has_one_of_its_own(
    database_server: Server, source: str, schema: str
) -> None:
    async with on(database_server) as loader:
        event = event_of(stamped(track("m1")), source=source)
        assert await loader.plugin.deliver(mapped(loader.plugin, event, Context()), None) == Delivered()  # type: ignore[arg-type]
        assert await loader.connection.fetchval(f'SELECT count(*) FROM "{schema}".tracks') == 1


async def test_names_that_sql_reserves_and_names_of_any_length_are_names(database_server: Server) -> None:
    long = "x" * 100
    async with on(database_server) as loader:
        await loader.load(track("m1", "Order", select=1, user="Ada", ctid="c", **{long: "long", f"{long}y": "longer"}))
        await loader.load(track("m2", long), track("m3", "Users"), track("m4", 'a"; DROP TABLE x; --'))
        assert await loader.rows("order", "select", "user", "_ctid") == [(1, "Ada", "c")]
        types = await loader.types("order")
        assert sorted(len(name) for name in types if name.startswith("xxx")) == [63, 63]
        assert {"_users", "a_drop_table_x"} <= await loader.names()


# ---------------------------------------------------------------- types that do not fit


async def test_a_value_of_another_type_is_put_into_a_second_column(database_server: Server) -> None:
    async with on(database_server) as loader:
        await loader.load(track("m1", price=10))
        await loader.load(track("m2", price=10.5), track("m3", price="free"), track("m4", price=11.0))
        columns = ("id", "price", "price__double", "price__text")
        assert await loader.rows("report_run", *columns) == [
            ("m1", 10, None, None), ("m2", None, 10.5, None), ("m3", None, None, "free"), ("m4", 11, None, None),
        ]  # fmt: skip


async def test_whole_and_broken_numbers_that_come_together_make_one_column(database_server: Server) -> None:
    async with on(database_server) as loader:
        await loader.load(track("m1", price=10), track("m2", price=10.5))
        assert await loader.rows("report_run", "price") == [10.0, 10.5]


async def test_a_column_of_text_takes_everything(database_server: Server) -> None:
    async with on(database_server) as loader:
        await loader.load(track("m1", note="a"), track("m2", note=7), track("m3", note=[1]), track("m4", note=True))
        assert await loader.rows("report_run", "note") == ["a", "7", "[1]", "true"]


async def test_a_number_that_no_bigint_holds_and_a_nul_are_kept(database_server: Server) -> None:
    async with on(database_server) as loader:
        await loader.load(track("m1", big=2**70, text="a\x00b", list=["\x00"]))
        assert await loader.rows("report_run", "big", "text") == [(str(2**70), "a\ufffdb")]


async def test_a_property_with_the_name_of_a_column_of_ours_has_another(database_server: Server) -> None:
    async with on(database_server) as loader:
        await loader.load(track("m1", id="theirs", user_id=7, overflow="x", uuid_ts="y"))
        assert await loader.rows("report_run", "id", "_id", "_user_id", "_overflow", "_uuid_ts") == [
            ("m1", "theirs", 7, "x", "y")
        ]


async def test_two_properties_of_one_column_are_both_kept(database_server: Server) -> None:
    async with on(database_server) as loader:
        await loader.load(track("m1", planName="a", plan_name="b"))
        ((name, overflow),) = await loader.rows("report_run", "plan_name", "overflow")
        assert (name, json.loads(overflow)) == ("a", {"plan_name": "b"})


async def test_a_table_made_by_another_loader_is_written_with_the_types_it_has(database_server: Server) -> None:
    async with on(database_server) as loader:
        await loader.connection.execute(
            "CREATE SCHEMA website; CREATE TABLE website.tracks (id varchar(100) PRIMARY KEY, received_at timestamp,"
            " event text, context_n numeric, context_i integer, context_d date)"
        )
        await loader.load({**track("m1"), "context": {"n": 1.25, "i": 2**40, "d": "2024-01-01"}})
        columns = ("id", "received_at", "context_n", "context_i__bigint", "context_d__text")
        ((id, at, n, i, d),) = await loader.rows("tracks", *columns)
        assert (id, at.replace(tzinfo=UTC), str(n), i, d) == (
            "m1",
            datetime(2024, 3, 1, 10, tzinfo=UTC),
            "1.25",
            2**40,
            "2024-01-01",
        )


# ---------------------------------------------------------------- bounds


async def test_a_table_that_is_full_puts_the_rest_into_overflow_and_says_so_once(
    database_server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    async with on(database_server, max_columns=50) as loader:
        for n in range(3):
            await loader.load(track(f"m{n}", **{f"p{n}_{k}": k for k in range(30)}))
        overflows = [json.loads(one or "{}") for one in await loader.rows("report_run", "overflow")]
        assert len(await loader.types("report_run")) == 50
        assert overflows[2] == {f"p2_{k}": k for k in range(30)}
    assert len([line for line in caplog.messages if "website.report_run" in line]) == 1


async def test_columns_that_were_dropped_count_and_cost_no_event(database_server: Server) -> None:
    async with on(database_server) as loader:
        await loader.load(track("m1"))
        for at in range(0, 1600, 200):
            added = ", ".join(f"ADD COLUMN c{n} text" for n in range(at, min(at + 200, 1_585)))
            dropped = ", ".join(f"DROP COLUMN c{n}" for n in range(at, min(at + 200, 1_585)))
            await loader.connection.execute(f"ALTER TABLE website.report_run {added}")
            await loader.connection.execute(f"ALTER TABLE website.report_run {dropped}")
        call = track("m2", **{f"p{n}": n for n in range(20)})
        assert isinstance(await loader.deliver(call), RetryLater)
        await loader.load(call)
        assert json.loads((await loader.rows("report_run", "overflow"))[1])["p7"] == 7


async def test_an_event_with_a_thousand_fields_has_its_row(database_server: Server) -> None:
    async with on(database_server) as loader:
        await loader.load(track("m1", **{f"p{n}": "x" * 24 for n in range(1_000)}))
        ((first, overflow),) = await loader.rows("report_run", "p0", "overflow")
        assert first == "x" * 24
        assert len(json.loads(overflow)) > 600


# ---------------------------------------------------------------- beside each other, check, the page


async def test_batches_beside_each_other_that_all_need_the_same_new_tables_are_all_written(
    database_server: Server,
) -> None:
    async with (
        on(database_server, connections=8) as loader,
        on(database_server, await current(loader), connections=8) as other,
    ):
        batches = [
            (loader, other)[n % 2].deliver(*[track(f"m{n}-{k}", f"Event {k}", **{f"p{n % 5}": k}) for k in range(5)])
            for n in range(20)
        ]
        outcomes = await asyncio.gather(*batches)
        again = [outcome for outcome in outcomes if outcome != Delivered()]
        assert all(isinstance(outcome, RetryLater) for outcome in again)
        for n, outcome in enumerate(outcomes):
            if outcome != Delivered():
                await loader.load(*[track(f"m{n}-{k}", f"Event {k}", **{f"p{n % 5}": k}) for k in range(5)])
        assert await loader.count("tracks") == 100


async def current(loader: Loader) -> str:
    return str(await loader.connection.fetchval("SELECT current_database()"))


async def test_the_check_writes_nothing(database_server: Server) -> None:
    async with on(database_server) as loader:
        assert "may create schemas" in await loader.plugin.check(None)  # type: ignore[arg-type]
        assert await loader.names() == set()


async def test_the_sql_of_its_page_runs(database_server: Server) -> None:
    make, select = (block.text for block in blocks(ROOT / "docs/destinations/postgres.md", "sql"))
    async with on(database_server) as admin:
        for statement in filter(str.strip, make.split(";\n")):
            await admin.connection.execute(statement)
    async with on(
        database_server, "events", database_server.dsn("events", "loader", "choose a password".replace(" ", "%20"))
    ) as loader:
        assert "may create schemas" in await loader.plugin.check(None)  # type: ignore[arg-type]
        await loader.load(track("m1", price=10))
        await loader.load(track("m2", price=12.5))
        assert [row[0] for row in await loader.connection.fetch(select)] == [10, 12.5]


async def test_the_example_of_its_page_fills_the_columns_shown(database_server: Server) -> None:
    page = (ROOT / "docs/destinations/postgres.md").read_text()
    (example,) = re.findall(r'^`(\{"type": "track".+\})` fills', page, re.MULTILINE)
    async with on(database_server) as loader:
        await loader.load({"messageId": "m1", "userId": "u1", **json.loads(example)})
        shown = re.findall(r"^\| (`.+?`) \| ", page.partition("fills these columns")[2], re.MULTILINE)
        columns = {name for cell in shown[:8] for name in re.findall(r"`(\w+)`", cell)}
        assert columns == set(await loader.types("report_run"))


# ---------------------------------------------------------------- any JSON


@pytest.mark.long
@settings(
    max_examples=40,
    phases=(Phase.explicit, Phase.generate),
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    batches=st.lists(
        st.lists(
            st.tuples(
                st.sampled_from(["track", "identify", "group", "page", "screen", "alias"]),
                st.dictionaries(
                    st.sampled_from(["a", "A b", "id", "\x00", "c__text", "é"]) | st.text(max_size=5),
                    ANY_JSON,
                    max_size=5,
                ),
                st.sampled_from(["E", "e", "Users", "", "\x00", "Заказ"]) | st.text(max_size=8),
            ),
            min_size=1,
            max_size=4,
        ),
        min_size=1,
        max_size=3,
    )
)
async def test_any_call_is_written_and_nothing_of_it_is_lost(database_server: Server, batches: Any) -> None:
    async with on(database_server) as loader:
        n, made = 0, list[Item]()
        for batch in batches:
            calls = []
            for kind, content, name in batch:
                n += 1
                finite = json.loads(json.dumps(content), parse_constant=lambda word: None)
                ids = {"messageId": f"m{n}", "userId": "u1", "groupId": "g", "previousId": "p"}
                names = {"event": name} if kind == "track" else {"name": name}
                calls.append({"type": kind, **ids, **names, "properties": finite, "traits": finite, "context": finite})
            made += [item for call in calls for item in items_of(loader.plugin, call)]
            await loader.load(*calls)
        stored = {row["id"]: row for table in CALL_TABLES.values() for row in await loader.whole(table)}
        assert stored.keys() == {f"m{at}" for at in range(1, n + 1)}
        for item in made:
            kept = item.body["rows"][0]["columns"]
            row = {name: value for name, value in stored[kept["id"]].items() if value is not None}
            assert values_in(row) - 1 == values_in(kept), "each value has its place, and uuid_ts beside it"


def values_in(row: Any) -> int:
    """The values of a row, those in its overflow one by one."""
    return len(row) - ("overflow" in row) + len(row.get("overflow") or ())
