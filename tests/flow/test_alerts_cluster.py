"""The alerts about several nodes: each fires when its trouble is caused, and its runbook's commands end it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.flow.cluster import owners
from tests.flow.drill import Drill, Drilled, tuned
from tests.flow.harness import destination, eventually
from tests.postgres_server import Server, running

pytestmark = pytest.mark.long


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
        await drill.fires()
        said = await drill.look()
        assert "no node has delivered to hook" in said, "cluster"
        assert "hook: no node has delivered to it for" in said, "status"
        assert "no node that lives has the active one" in said
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
        assert "source website differs" in await drill.look()
        daemon.source["strict"] = True
        daemon.write_config()
        await drill.ends()
