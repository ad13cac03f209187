"""The nodes that share a database, as one of them tells of them; and commands to a node."""

from __future__ import annotations

from typing import cast

from router import __version__
from router.store import PART, ClusterRows, Listening, Unit
from router.store.postgres.commands import PostgresCommands
from router.store.postgres.store import open_postgres
from router.testing.clock import FakeClock
from tests.contract.node_case import UNIT, Among, OpenNode, batch, let_it_run_out
from tests.contract.postgres_case import SHAPE, PostgresCase, connected
from tests.contract.test_store import WINDOW_S, accept, make


async def look(node: Among) -> ClusterRows:
    assert node.cluster
    return await node.cluster.look()


async def test_every_node_tells_the_same_of_all_nodes_and_who_has_what(two: tuple[Among, Among]) -> None:
    first, second = two
    assert first.cluster
    first.cluster.listen(Listening("http://a:8080", "http://a:8081"))
    await first.configure(d="1")
    claim = await first.owns()
    await accept(second, make("m1"))
    await first.beat()
    rows = await look(second)
    assert rows == await look(first)
    a, b = rows.nodes
    assert (a.name, a.version, a.is_alive, a.listening) == (
        "node-1",
        __version__,
        True,
        ("http://a:8080", "http://a:8081"),
    )
    assert (a.configuration, b.configuration, b.listening) == ({"destination d": "1"}, {}, ("", ""))
    assert a.started_ms < a.until_ms
    [unit] = rows.units
    assert (unit.unit, unit.owner, unit.owner_id, unit.epoch, unit.lag) == (UNIT, "node-1", a.id, claim.epoch, 1)
    assert (unit.state, unit.since_ms >= a.started_ms) == ("running", True)
    assert (rows.in_force["d"].hash, rows.in_force["d"].node) == ("1", "node-1")


async def test_a_node_without_signs_of_life_is_told_as_dead_and_what_it_had_as_nobodys(
    two: tuple[Among, Among],
) -> None:
    first, second = two
    await first.owns()
    await let_it_run_out(first)
    await first.execute("UPDATE node SET expires = clock_timestamp() - interval '1 ms' WHERE name = 'node-1'")
    rows = await look(second)
    assert [(node.name, node.is_alive) for node in rows.nodes] == [("node-1", False), ("node-2", True)]
    assert [(unit.owner, unit.owner_id, unit.since_ms) for unit in rows.units] == [("", "", 0)]
    await second.beat()
    assert second.cluster
    assert second.cluster.count_live() == 1


async def test_duties_are_told_with_who_has_them(two: tuple[Among, Among]) -> None:
    first, second = two
    assert await second.notices.are_ours()
    assert (await look(first)).duties == {"housekeeping": "", "notices": "node-2"}
    await second.execute("UPDATE duty SET expires = clock_timestamp() - interval '1 ms'")
    assert (await look(first)).duties["notices"] == ""


async def test_for_how_long_nobody_has_a_destination_is_told_by_whoever_has_it_configured(
    node_on: OpenNode,
) -> None:
    async with node_on(1, "d") as first, node_on(2) as second:
        claim = await first.owns()
        for node in (first, second):
            await node.beat()
        assert first.node.seen.without_owner_s() == {}
        await claim.give_back(to_others=True)
        for node in (first, second):
            await node.beat()
            node.pass_time(31.0)
        assert first.node.seen.without_owner_s() == {"d": 31.0}
        assert second.node.seen.without_owner_s() == {}, "it is not its own"
        await first.owns()
        await first.beat()
        assert first.node.seen.without_owner_s() == {}


# ------------------------------------------------------------ commands to a node


def commands_of(store: Among) -> PostgresCommands:
    return cast(PostgresCommands, store.commands)


async def test_a_command_to_a_node_only_that_one_takes_whatever_it_has(two: tuple[Among, Among]) -> None:
    first, second = two
    await first.owns()
    assert second.cluster
    command = await commands_of(first).ask_node(second.cluster.this, b"words")
    assert await commands_of(first).take([]) == []
    [asked] = await commands_of(second).take([])
    assert (asked.id, asked.destination, asked.text, asked.tries) == (command, "", b"words", 1)
    assert await commands_of(second).take([command]) == [], "it is at it"
    await commands_of(second).close(asked, "done", b"{}")
    assert await commands_of(second).take([]) == []
    row = await commands_of(first).find(command)
    assert row is not None
    assert (row.state, row.answer) == ("done", b"{}")


async def test_a_command_that_a_node_did_not_end_its_next_process_takes_up(node_on: OpenNode) -> None:
    async with node_on(1, "d") as first:
        assert first.cluster
        command = await commands_of(first).ask_node(first.cluster.this, b"words")
        assert len(await commands_of(first).take([])) == 1
    async with node_on(1, "d") as again:
        [asked] = await commands_of(again).take([])
        assert (asked.id, asked.tries) == (command, 2)


# ------------------------------------------------------------ the schema


TO_SCHEMA_1 = """
ALTER TABLE unit DROP COLUMN again_skipped, DROP COLUMN again_filtered, DROP COLUMN again_held, DROP COLUMN again_retrying,
  DROP COLUMN again_queued, DROP COLUMN again_dead;
ALTER TABLE dead DROP COLUMN again;
ALTER TABLE unit DROP COLUMN floors; ALTER TABLE command DROP COLUMN shard;
DROP TABLE configured; ALTER TABLE command DROP COLUMN node; ALTER TABLE node DROP COLUMN ingest, DROP COLUMN admin;
DROP FUNCTION heartbeat_2; UPDATE version SET schema = 1, usable_from = 1
"""
COLUMNS = (
    "SELECT table_name, array_agg(column_name || ' ' || data_type || ' ' || coalesce(column_default, '') ORDER BY column_name)"
    " FROM information_schema.columns WHERE table_schema = 'public' GROUP BY 1 ORDER BY 1"
)
INDEXES = "SELECT indexdef FROM pg_indexes WHERE schemaname = 'public' ORDER BY 1"
FUNCTIONS = "SELECT proname, prosrc FROM pg_proc WHERE pronamespace = 'public'::regnamespace ORDER BY 1"


async def shape(dsn: str) -> list[list[tuple[object, ...]]]:
    async with connected(dsn) as connection:
        return [[tuple(row) for row in await connection.fetch(sql)] for sql in (COLUMNS, INDEXES, FUNCTIONS)]


async def test_a_database_of_the_schema_before_becomes_like_a_new_one_with_all_that_it_has(
    two: tuple[Among, Among],
) -> None:
    first, _ = two
    claim = await first.owns()
    await claim.commit(batch("1"))
    expected = await shape(first.dsn)
    async with connected(first.dsn) as connection:
        before = await connection.fetchrow(SHAPE)
        await connection.execute(TO_SCHEMA_1)
        assert await connection.fetchrow(SHAPE) != before
    opening = open_postgres(first.dsn, lambda mark: FakeClock(), dedupe_window_s=WINDOW_S, needs_fsync=False)
    async with opening as (store, _):
        assert await shape(first.dsn) == expected
        assert await PostgresCase(store, first.dsn).claim("d").keyed_state.load(["k"]) == {"k": b"1"}
    async with connected(first.dsn) as connection:
        assert tuple(await connection.fetchrow("SELECT schema, usable_from FROM version")) == (4, 1)
    await first.beat()
    assert await first.owns(Unit(PART, "d")) is not None
