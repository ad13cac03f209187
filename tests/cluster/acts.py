"""What happens to a node: it is killed, frozen, cut from the database, or cut from the vendors. Each act ends with the node well again."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from random import Random

from tests.cluster.checker import Watch
from tests.cluster.clients import Clients
from tests.cluster.nodes import Cluster, Node
from tests.flow.harness import eventually

SOON, LONG = 20, 60
"""Calls that clients send during an act that others do not take over, and after each act."""


class Acts:
    """`done`: how often each was done."""

    def __init__(self, cluster: Cluster, clients: Clients, watch: Watch, random: Random) -> None:
        self.done: Counter[str] = Counter()
        self._cluster, self._clients, self._watch, self._random = cluster, clients, watch, random
        self._left: list[str] = []

    async def one(self) -> None:
        """The next act at some node, then see that no destination stands still."""
        [victim] = self._victims(1)
        await self._act(victim)
        await self._goes_on()

    async def two(self) -> None:
        """Two acts at once, at two nodes."""
        first, second = self._victims(2)
        await asyncio.gather(self._act(first), self._act(second))
        await self._goes_on()

    def _victims(self, n: int) -> list[Node]:
        return self._random.sample(self._cluster.nodes, n)

    async def _act(self, node: Node) -> None:
        ways: dict[str, Callable[[Node], Awaitable[None]]] = {
            "killed": self._kill,
            "killed and started": self._kill_for_a_moment,
            "frozen": self._freeze,
            "frozen for a moment": self._freeze_for_a_moment,
            "cut from the database": self._cut_from_database,
            "cut from the database for a moment": self._cut_from_database_for_a_moment,
            "cut from the vendors": self._cut_from_vendors,
        }
        if not self._left:  # each comes before one comes again
            self._left = self._random.sample(list(ways), len(ways))
        how = self._left.pop()
        self.done[how] += 1
        self._watch.unwell.add(node)
        try:
            await ways[how](node)
        finally:
            self._watch.unwell.discard(node)

    async def _goes_on(self) -> None:
        head = await self._cluster.head()
        await self._clients.more(SOON)
        await self._cluster.reached(head)

    async def _owned(self, node: Node) -> list[str]:
        return [name for name, owner in (await self._cluster.owners()).items() if owner == node.name]

    async def _kill(self, node: Node) -> None:
        names = await self._owned(node)
        node.kill()
        await self._cluster.taken_from(node, names)
        await node.restart()

    async def _kill_for_a_moment(self, node: Node) -> None:
        node.kill()
        await node.restart()

    async def _freeze(self, node: Node) -> None:
        names, lost = await self._owned(node), len(node.log("claim_lost"))
        node.freeze()
        await self._cluster.taken_from(node, names)
        node.thaw()
        await self._until_told(node, lost + min(1, len(names)))

    async def _freeze_for_a_moment(self, node: Node) -> None:
        node.freeze()
        await self._clients.more(SOON)
        node.thaw()

    async def _cut_from_database(self, node: Node) -> None:
        assert node.to_database is not None
        names, lost = await self._owned(node), len(node.log("claim_lost"))
        node.to_database.cut()
        await self._cluster.taken_from(node, names)
        node.to_database.heal(forget=self._random.random() < 0.5)
        await self._until_told(node, lost + min(1, len(names)))

    async def _cut_from_database_for_a_moment(self, node: Node) -> None:
        assert node.to_database is not None
        node.to_database.cut()
        await self._clients.more(SOON)
        node.to_database.heal(forget=self._random.random() < 0.5)

    async def _cut_from_vendors(self, node: Node) -> None:
        assert node.to_vendors is not None
        node.to_vendors.cut()
        await self._clients.more(LONG)
        node.to_vendors.heal(forget=self._random.random() < 0.5)

    async def _until_told(self, node: Node, lost: int) -> None:
        """It finds that others have what it had."""

        async def is_told() -> bool:
            return len(node.log("claim_lost")) >= lost

        await eventually(is_told, what=f"{node.name} finds that it was replaced")
