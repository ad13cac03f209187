"""Nodes of this release and of the next one, mixed, there and back: the next one adds to the schema while nodes of this one work on it."""

from __future__ import annotations

from pathlib import Path

from router import __version__
from router.store.postgres.install import SCHEMA
from tests.cluster.form import form
from tests.cluster.inside import NEXT
from tests.cluster.nodes import Cluster, Node
from tests.cluster.rolling import Roll, rolling
from tests.postgres_server import Server

ROUNDS = form(1, 3)
USERS, PER_S = form((12, 20.0), (60, 100.0))
MIXED = form(12, 1000)
"""Calls while one node more has the other release: some ten seconds' worth in the long form."""
MOVES = form(2, 20)
UPGRADED = "from tests.cluster import inside; inside.is_the_next_release()"


async def all_become(roll: Roll, build: str) -> None:
    """All nodes become this build. What comes while they are mixed is delivered."""
    async for _ in roll.through(build):
        await roll.clients.more(MIXED)
        await roll.three.reached(await roll.three.head())


async def schema(three: Cluster) -> int:
    """Of the database."""
    [(number,)] = await three.rows("SELECT schema FROM version")
    return int(number)


async def versions(node: Node) -> set[str]:
    """Of the nodes that live, as one of them tells."""
    return {one["version"] for one in (await node.get("/api/cluster"))["nodes"] if one["is_alive"]}


async def test_nodes_of_two_releases_share_the_work_there_and_back_and_lose_nothing(
    tmp_path: Path, server: Server
) -> None:
    async with rolling(tmp_path, server, users=USERS, per_s=PER_S) as roll:
        async with roll.under_load():
            await roll.clients.more(USERS)
            for _ in range(ROUNDS):
                await all_become(roll, UPGRADED)
                assert await versions(roll.three.nodes[0]) == {NEXT}
                assert await schema(roll.three) == SCHEMA + 1
                await all_become(roll, "")
                assert await versions(roll.three.nodes[0]) == {__version__}
        print(f"{ROUNDS} times there and back, {await roll.check()}")
        assert roll.moves >= MOVES
