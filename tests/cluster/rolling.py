"""Nodes that are exchanged one after the other, in good order, while clients send."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from router.testing.vendor import Received, Reply
from tests.cluster.checker import Watch, at_the_end
from tests.cluster.clients import Clients
from tests.cluster.form import SEED
from tests.cluster.nodes import Cluster, Node, cluster, new_database, recorder
from tests.postgres_server import Server

PATIENT_S = 60.0
"""Nobody is frozen here: who waits so long for an answer waits for a busy machine."""
SLOW_S = 0.3
PATIENT = {"timeout": "60s"}
DESTINATIONS = [
    recorder("open", PATIENT),
    recorder("gated", PATIENT, gated=True),
    recorder("slow", {**PATIENT, "concurrency": 20}),
]


def slow(seen: Received) -> Reply:
    """Each answer takes a while."""
    return Reply(200, delay_s=SLOW_S)


class Roll:
    """`moves`: how often a destination went to another node."""

    def __init__(self, three: Cluster, clients: Clients) -> None:
        self.three, self.clients, self.moves = three, clients, 0
        self._watch = Watch(three, SEED)

    @asynccontextmanager
    async def under_load(self) -> AsyncIterator[None]:
        """Clients send meanwhile; at the end all of it is delivered."""
        async with asyncio.TaskGroup() as group:
            looking, _ = group.create_task(self._watch.run()), group.create_task(self.clients.run())
            yield
            self.clients.stop()
            await self.three.emptied()
            self._watch.stop()
            await looking

    async def through(self, build: str = "") -> AsyncIterator[Node]:
        """Each node ends and begins again with this build, while the others work."""
        for node in self.three.nodes:
            names = [name for name, owner in (await self.three.owners()).items() if owner == node.name]
            self._watch.unwell.add(node)
            assert await node.terminate() == 0
            await self.three.taken_from(node, names)
            self.moves += len(names)
            node.build = build
            await node.restart()
            self._watch.unwell.discard(node)
            yield node

    async def check(self) -> str:
        """Nothing was lost, sent twice or refused twice. Returns the counts."""
        found = [*self._watch.found, *await at_the_end(self.three, self.clients, gated="gated")]
        twice = {one["name"]: self.three.vendors.twice(one["name"]) for one in DESTINATIONS}
        told = (
            f"{len(self.clients.sent)} events, {self.moves} moves, {self.clients.failed_twice} calls failed twice,"
            f" sent twice {twice}, {self._watch.looks} ledgers, {len(found)} violations"
        )
        assert found == [], told
        assert set(twice.values()) == {0}, told
        assert self.clients.failed_twice == 0, told
        return told


@asynccontextmanager
async def rolling(folder: Path, server: Server, *, users: int, per_s: float) -> AsyncIterator[Roll]:
    """Three nodes, and so many users' clients."""
    dsn = await new_database(server)
    async with cluster(folder, dsn, DESTINATIONS, answers={"slow": slow}, lease="60s", has_wires=False) as three:
        yield Roll(three, Clients(three, SEED, users=users, per_s=per_s, answer_s=PATIENT_S))
