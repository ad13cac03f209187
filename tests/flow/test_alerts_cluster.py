"""The alerts about several nodes: each fires when its trouble is caused, and its runbook's commands end it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from router.store.postgres.upkeep import SLOTS, SNAPSHOT
from tests.flow.cluster import owners
from tests.flow.drill import Drill, Drilled, page_of, tuned
from tests.flow.harness import Table, destination, eventually
from tests.monitoring.runbook import UNIT
from tests.monitoring.tape import Labels, Page
from tests.postgres_server import Server, running

pytestmark = pytest.mark.long
HOOK = destination("hook", "collector", {"base_url": "http://127.0.0.1:9"}, mode="dry-run", delivery={"timeout": "1s"})
FORGOTTEN = "a forgotten psql"


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with running(fsync=True) as server:
        yield server


@asynccontextmanager
async def two(folder: Path, server: Server) -> AsyncIterator[tuple[Drilled, Drilled]]:
    """Two nodes with one destination. To be without a node for a moment is a trouble."""
    store, bounds = {"url": server.dsn(await server.database())}, {"explain.troubles.WITHOUT_OWNER_S": 0.2}
    nodes = []
    for name in ("a", "b"):
        (folder / name).mkdir()
        hook = destination(
            "hook", "collector", {"base_url": "http://127.0.0.1:9"}, mode="dry-run", delivery={"timeout": "1s"}
        )
        cluster = {"node": name, "lease": "3s"}
        nodes.append(tuned(folder / name, [hook], bounds, store=store, cluster=cluster))
    async with nodes[0] as first, nodes[1] as second:
        yield first, second


class NodesDrill(Drill):
    """An alert about one of several nodes, as Prometheus scrapes all of them. `other`: whose service the commands are about."""

    def __init__(self, daemon: Drilled, alert: str, other: Drilled) -> None:
        super().__init__(daemon, alert, {UNIT: other.restart})
        self._nodes = (daemon, other)

    async def scrape(self) -> Page:
        found: dict[str, dict[Labels, float]] = {}
        for node in self._nodes:
            page = await page_of(node)
            target = {("job", "segment-router"), ("instance", node.admin_url.removeprefix("http://"))}
            up: Page = {"up": {frozenset(): float(bool(page))}}
            for name, samples in {**up, **page}.items():
                found.setdefault(name, {}).update({labels | target: value for labels, value in samples.items()})
        return found


async def test_one_of_two_nodes_that_is_gone_fires_until_it_is_started(tmp_path: Path, server: Server) -> None:
    async with two(tmp_path, server) as (daemon, other):
        drill = NodesDrill(daemon, "NodeGone", other)
        await drill.is_calm()
        other.kill()
        await drill.fires()
        await drill.shows("no, since")
        await drill.ends()


async def test_a_database_that_is_away_fires_until_it_is_started(tmp_path: Path, server: Server) -> None:
    async def start() -> None:
        server.start()
        await server.ready()

    async with one(tmp_path, server) as (daemon, _):
        drill = Drill(daemon, "StoreAway", {"postgresql": start})
        await drill.is_calm()
        server.stop()
        await drill.fires()
        await drill.shows("The database of the store cannot be reached")
        await drill.ends()
        await daemon.ready()


async def test_a_destination_that_no_node_may_deliver_to_fires_until_a_file_is_in_force(
    tmp_path: Path, server: Server
) -> None:
    async with two(tmp_path, server) as (daemon, other):
        drill = Drill(daemon, "NoOwner")
        await drill.is_calm()
        other.destinations[0]["filter"] = "type = 'track'"
        await other.reload()

        async def is_theirs() -> bool:
            found = (await daemon.get("/healthz"))["troubles"]
            return owners(daemon) == {"hook": "b"} and "no_owner" not in [one["code"] for one in found]

        await eventually(is_theirs)
        other.kill()

        async def is_nobodys() -> bool:
            return owners(daemon) == {}

        await eventually(is_nobodys, what="its lease has run out")
        await drill.fires()
        of_cluster, of_status = "no node has delivered to hook", "hook: no node has delivered to it for"
        await drill.shows(of_cluster, of_status, "no node that lives has the active one")
        await drill.ends()
        assert owners(daemon) == {"hook": "a"}
        daemon.destinations[0]["filter"] = "type = 'track'"
        await daemon.reload()
        await other.restart()


async def test_nodes_with_different_files_fire_until_all_are_reloaded_with_one(tmp_path: Path, server: Server) -> None:
    async with two(tmp_path, server) as (daemon, other):
        drill = Drill(daemon, "ConfigDiffers")
        await drill.is_calm()
        other.source["strict"] = True
        await other.reload()
        await drill.fires()
        await drill.shows("source website differs")
        daemon.source["strict"] = True
        daemon.write_config()
        await drill.ends()


async def test_nodes_of_different_versions_fire_until_the_one_that_is_behind_is_upgraded(
    tmp_path: Path, server: Server
) -> None:
    async with two(tmp_path, server) as (daemon, other):
        older = "\n".join(
            f"import router.store.postgres.{name} as module; module.__version__ = '0.0.1'"
            for name in ("node", "nodes_seen")
        )

        async def upgrade() -> None:
            other.tuning = other.tuning.replace(older, "")
            await other.terminate()
            await other.restart()

        drill = Drill(daemon, "VersionsDiffer", {UNIT: upgrade})
        await drill.is_calm()
        other.tuning += f"\n{older}"
        await other.terminate()
        await other.restart()
        await drill.fires()
        await drill.shows("node b runs version 0.0.1")
        await drill.ends()


@asynccontextmanager
async def one(folder: Path, server: Server, **values: str) -> AsyncIterator[tuple[Drilled, str]]:
    """A node, and the address of its database. `values`: what it asks the database in place of what it asks."""
    dsn = server.dsn(await server.database())
    asked = {f"store.postgres.upkeep.{name}": value for name, value in values.items()}
    async with tuned(folder, [HOOK], asked, store={"url": dsn, "replicated": True}) as daemon:
        yield daemon, dsn


@asynccontextmanager
async def session(dsn: str) -> AsyncIterator[Any]:
    """Somebody else's, in the database."""
    connection = await asyncpg.connect(dsn, server_settings={"application_name": FORGOTTEN})
    try:
        yield connection
    finally:
        await connection.close()


async def test_a_snapshot_that_somebody_keeps_fires_until_it_is_let_go(tmp_path: Path, server: Server) -> None:
    """It is an hour older than it is, so that nobody has to wait."""
    older = f"xact_start - interval '1 hour' * (application_name = '{FORGOTTEN}')::int AS since"
    aged = SNAPSHOT.replace("xact_start AS since", older)
    async with one(tmp_path, server, SNAPSHOT=aged) as (daemon, dsn), session(dsn) as connection:
        drill = Drill(daemon, "SnapshotOld", DSN=dsn, PID=str(connection.get_server_pid()))
        await drill.is_calm()
        await connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM head")
        await drill.fires()
        await drill.shows(f"{connection.get_server_pid()} |", FORGOTTEN)
        await drill.ends()


async def test_a_replication_slot_that_nobody_reads_fires_until_it_is_dropped(tmp_path: Path, server: Server) -> None:
    """Each byte counts as a gigabyte."""
    more = SLOTS.replace("max(", f"{1 << 30} * max(")
    async with one(tmp_path, server, SLOTS=more) as (daemon, dsn), session(dsn) as connection:
        drill = Drill(daemon, "SlotLags", DSN=dsn, SLOT="gone")
        await drill.is_calm()
        await connection.execute("SELECT pg_create_physical_replication_slot('gone', true)")
        await connection.execute("CREATE TABLE filler AS SELECT generate_series(1, 1000)")
        await drill.fires()
        await drill.shows("gone | f")
        await drill.ends()


async def test_rows_that_stay_dead_fire_until_they_are_vacuumed(tmp_path: Path, server: Server) -> None:
    """A snapshot keeps them."""
    async with one(tmp_path, server) as (daemon, dsn), session(dsn) as reader, session(dsn) as writer:
        drill = Drill(daemon, "DeadRows", DSN=dsn, PID=str(reader.get_server_pid()))
        await drill.is_calm()
        await reader.execute("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM head")
        for _ in range(11):
            await writer.execute("DO $$ BEGIN FOR n IN 1..1000 LOOP UPDATE head SET pos = pos; END LOOP; END $$")
        await drill.fires()
        await drill.shows(f"{reader.get_server_pid()} |", FORGOTTEN)
        await drill.ends()


async def test_a_destination_that_goes_from_node_to_node_fires_until_it_stays(tmp_path: Path, server: Server) -> None:
    async with one(tmp_path, server) as (daemon, dsn), session(dsn) as connection:
        drill = Drill(daemon, "ClaimsLost")
        await drill.is_calm()

        async def is_taken() -> None:
            lost = len(daemon.log("claim_lost"))
            await connection.execute(
                "UPDATE unit SET epoch = epoch + 1, owner = gen_random_uuid(), expires = clock_timestamp()"
            )

            async def is_told() -> bool:
                return len(daemon.log("claim_lost")) > lost

            await eventually(is_told, what="it finds that it was replaced")

        await drill.fires(is_taken)
        await drill.shows("epoch since (UTC)", "hook")

        async def stays() -> None:
            """Nobody takes it any more."""

        await drill.ends(stays)


async def test_rights_that_the_database_takes_away_fire_until_they_are_given_back(
    tmp_path: Path, server: Server
) -> None:
    """The user of the router is no superuser."""
    name = await server.database()
    await server.run("CREATE ROLE trimmed LOGIN PASSWORD 'of-a-test'")
    await server.run(f"ALTER DATABASE {name} OWNER TO trimmed")
    store: Table = {"url": server.dsn(name, "trimmed", "of-a-test"), "replicated": True}
    dsn = server.dsn(name)
    async with tuned(tmp_path, [HOOK], {"store.postgres.housekeeping.IDLE_S": 0.1}, store=store) as daemon:
        drill = Drill(daemon, "StoreNotTrimmed", DSN=dsn, ROLE="trimmed")
        await drill.is_calm()
        async with session(dsn) as connection:
            await connection.execute("REVOKE UPDATE ON duty FROM trimmed")
        await drill.fires()
        await drill.shows("nothing is trimmed", "permission denied for table duty")
        await drill.ends()


async def test_a_database_without_a_standby_fires_until_it_is_said_that_its_disks_are_replicated(
    tmp_path: Path, server: Server
) -> None:
    dsn = server.dsn(await server.database())
    store: Table = {"url": dsn, "replicated": True}
    async with tuned(tmp_path, [HOOK], {}, store=store) as daemon:
        drill = Drill(daemon, "StoreNotReplicated", DSN=dsn)
        await drill.is_calm()
        daemon.tables["store"] = {"url": dsn}
        daemon.write_config()
        await daemon.terminate()
        await daemon.restart()
        await drill.fires()
        await drill.shows("names no synchronous standby", "current_setting")
        daemon.tables["store"] = store
        daemon.write_config()
        await drill.ends()
