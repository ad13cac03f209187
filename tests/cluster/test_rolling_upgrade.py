"""Nodes of this release and of the next one, mixed, there and back: the next one adds to the schema while nodes of this one work on it."""

from __future__ import annotations

import asyncio
from pathlib import Path

from router import __version__
from router.store.postgres.install import SCHEMA
from router.testing.vendor import Received, Reply
from tests.cluster.checker import Watch, at_the_end
from tests.cluster.clients import Clients
from tests.cluster.form import SEED, form
from tests.cluster.inside import NEXT
from tests.cluster.nodes import Cluster, Node, cluster, new_database, recorder
from tests.postgres_server import Server

ROUNDS = form(1, 3)
USERS, PER_S = form((12, 20.0), (60, 100.0))
MIXED = form(12, 1000)
"""Calls while one node more has the other release: some ten seconds' worth in the long form."""
MOVES = form(2, 20)
SLOW_S = 0.3
PATIENT = {"timeout": "60s"}
DESTINATIONS = [
    recorder("open", PATIENT),
    recorder("gated", PATIENT, gated=True),
    recorder("slow", {**PATIENT, "concurrency": 20}),
]
UPGRADED = "from tests.cluster import inside; inside.is_the_next_release()"


def slow(seen: Received) -> Reply:
    """Each answer takes a while."""
    return Reply(200, delay_s=SLOW_S)


class Roll:
    """Exchanges the nodes one after the other. `moves`: how often a destination went to another node."""

    def __init__(self, three: Cluster, clients: Clients, watch: Watch) -> None:
        self.moves = 0
        self._three, self._clients, self._watch = three, clients, watch

    async def to(self, build: str) -> None:
        """All nodes become this build; each while the others work."""
        for node in self._three.nodes:
            names = [name for name, owner in (await self._three.owners()).items() if owner == node.name]
            self._watch.unwell.add(node)
            assert await node.terminate() == 0
            await self._three.taken_from(node, names)
            self.moves += len(names)
            node.build = build
            await node.restart()
            self._watch.unwell.discard(node)
            await self._clients.more(MIXED)
            await self._three.reached(await self._three.head())


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
    dsn = await new_database(server)
    async with cluster(tmp_path, dsn, DESTINATIONS, answers={"slow": slow}, lease="60s", has_wires=False) as three:
        clients = Clients(three, SEED, users=USERS, per_s=PER_S, answer_s=60.0)
        watch = Watch(three, SEED)
        roll = Roll(three, clients, watch)
        async with asyncio.TaskGroup() as group:
            looking, _ = group.create_task(watch.run()), group.create_task(clients.run())
            await clients.more(USERS)
            for _ in range(ROUNDS):
                await roll.to(UPGRADED)
                assert await versions(three.nodes[0]) == {NEXT}
                assert await schema(three) == SCHEMA + 1
                await roll.to("")
                assert await versions(three.nodes[0]) == {__version__}
            clients.stop()
            await three.emptied()
            watch.stop()
            await looking
        found = [*watch.found, *await at_the_end(three, clients, gated="gated")]
        twice = {one["name"]: three.vendors.twice(one["name"]) for one in DESTINATIONS}
        print(
            f"{ROUNDS} times there and back, {len(clients.sent)} events, {roll.moves} moves, {clients.failed_twice} calls failed twice,"
            f" sent twice {twice}, {watch.looks} ledgers, {len(found)} violations"
        )
        assert found == []
        assert set(twice.values()) == {0}
        assert clients.failed_twice == 0
        assert roll.moves >= MOVES
