"""Two nodes that serve one destination from one store. Each has a link to the store that delays, loses what is asked or answered, and
is cut; whoever has the grant takes the destination over, whatever the other one is in the middle of."""

from __future__ import annotations

import asyncio
from random import Random
from typing import Any, cast

from router.deliver.runner import Runner
from router.errors import ClaimLost
from router.store import Claim, CommitBatch, Opening, Store, Unit
from router.store.fence import Came, Fence
from router.store.sqlite.claims import SqliteClaim
from tests.contract.simulation.invariants import hold
from tests.contract.simulation.story import Story
from tests.contract.simulation.traits import Traits
from tests.contract.simulation.world import COMMAND, Side, World, run_world
from tests.contract.store_case import StoreCase

LEASE_S = 20.0
"""A node that is cut from the store for longer sends nothing."""
FAULTS = ("", "", "", "", "answer", "answer", "request")
"""What is lost of a commit."""


class Grants:
    """Which node may take the destination."""

    def __init__(self) -> None:
        self.owner = ""
        self._moved = asyncio.Event()

    def give(self, name: str) -> None:
        """To this node from now on. Nobody tells the former one."""
        self.owner = name
        self._moved.set()
        self._moved = asyncio.Event()

    async def wait_for(self, name: str) -> None:
        """Until this node has it."""
        while self.owner != name:
            await self._moved.wait()


class Link:
    """A node's way to the store."""

    def __init__(self, world: World, random: Random) -> None:
        self._world, self._random = world, random
        self._cut_at: int | None = None
        self._healed = asyncio.Event()
        self.lost = 0  #: answers and requests
        self.refused = 0  #: commits, since another node has it

    @property
    def is_cut(self) -> bool:
        return self._cut_at is not None

    def cut(self) -> None:
        """Nothing passes from now on."""
        if not self.is_cut:
            self._cut_at, self._healed = self._world.clock.ms, asyncio.Event()

    def heal(self) -> None:
        """What waits passes."""
        self._cut_at = None
        self._healed.set()

    async def passes(self) -> None:
        """After a while, and not while it is cut."""
        for _ in range(self._random.randrange(4)):
            await asyncio.sleep(0)
        while self.is_cut:
            await self._healed.wait()

    def fault(self) -> str:
        """What is lost of the next commit, if anything."""
        fault = self._random.choice(FAULTS)
        self.lost += bool(fault)
        return fault

    def may_send(self) -> bool:
        """Whether the lease has not run out."""
        return self._cut_at is None or self._world.clock.ms - self._cut_at < LEASE_S * 1000


class LinkedClaim:
    """A claim at the other end of a link. A commit without an answer is settled by epoch and step."""

    def __init__(self, claim: Claim, store: StoreCase, link: Link) -> None:
        self._claim, self._store, self._link = cast(SqliteClaim, claim), store, link

    def __getattr__(self, name: str) -> Any:
        return getattr(self._claim, name)

    def may_send(self, for_s: float) -> bool:
        return self._claim.may_send(for_s) and self._link.may_send()

    async def commit(self, batch: CommitBatch) -> list[tuple[str, str]]:
        ours = self._claim._fence
        fence = Fence(ours.unit, ours.epoch, ours.step)
        while True:
            await self._link.passes()
            fault = self._link.fault()
            try:
                left = await self._claim.commit(batch) if fault != "request" else []
            except ClaimLost:
                self._link.refused += 1
                raise
            if not fault:
                return left
            await self._link.passes()
            came = fence.came_to(*await self.place())
            if came is Came.STORED:
                return [(need, last) for need, last in await self._claim.lanes.openings() if need in batch.opened]
            if came is Came.LOST:
                self._claim.lost.set()
                raise ClaimLost

    async def place(self) -> tuple[int, int]:
        """The stored epoch and step."""
        sql = "SELECT epoch, step FROM cursor WHERE destination = ?"
        found: tuple[int, int] = await self._store.claims._reader.run(
            lambda db: db.execute(sql, (self._claim.unit.destination,)).fetchone()
        )
        return found


class NodeStore:
    """The store as a node sees it: `claims` come when they are granted."""

    def __init__(self, store: StoreCase, name: str, grants: Grants, link: Link) -> None:
        self._store, self._name, self._grants, self._link = store, name, grants, link

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    @property
    def claims(self) -> NodeStore:
        return self

    async def open_now(self, unit: Unit, opening: Opening) -> LinkedClaim | None:
        """Where it is granted already."""
        return await self.open(unit, opening) if self._grants.owner == self._name else None

    async def holder(self, unit: Unit) -> str:
        """Whoever it is granted to."""
        return self._grants.owner

    async def open(self, unit: Unit, opening: Opening) -> LinkedClaim:
        """Wait for the grant, then take it over."""
        await self._grants.wait_for(self._name)
        await self._link.passes()
        return LinkedClaim(await self._store.claims.open(unit, opening), self._store, self._link)


class Node:
    """One process, as far as one destination goes."""

    def __init__(self, name: str, world: World, grants: Grants, seed: int) -> None:
        self.name, self._world, self._grants = name, world, grants
        self.link = Link(world, Random(f"{seed} link {name}"))
        self.side = Side("d", f"{seed} {name}")
        self.side.vendor, self.side.plugin, self.side.tables = world.d.vendor, world.d.plugin, world.d.tables

    @property
    def is_alive(self) -> bool:
        return self.side.running is not None

    def start(self) -> None:
        """Serve the destination once it is granted."""
        store = cast(Store, NodeStore(cast(StoreCase, self._world.store), self.name, self._grants, self.link))
        self.side.runner = Runner(self.side.destination(), store, self._world.clock, self._world.log, self.side.random)
        self.side.running = asyncio.create_task(self.side.runner.run(), name=f"node {self.name}")

    async def kill(self) -> None:
        """It ends in the middle of whatever it does; a commit that is on its way may be stored or not."""
        running, self.side.running = self.side.running, None
        if running is not None:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)

    def check(self) -> None:
        """Raise what it failed of."""
        if self.side.running is not None and self.side.running.done():
            self.side.running.result()


class NodesStory(Story):
    """A seed's story of two nodes: kills, cuts, and a grant that moves while work is under way."""

    def __init__(self, world: World, seed: int, steps: int) -> None:
        super().__init__(world, seed, steps, Traits())
        self.folding = False  # the other node may map an event from another state, and its request may be the last one
        self.grants = Grants()
        self.moves = 0

    @property
    def refusals(self) -> int:
        """How often a node found that it had been replaced."""
        return sum(node.link.refused for node in self.nodes)

    async def tell(self) -> None:
        """All of it, to its calm end."""
        world, r = self.world, self.random
        self.settings()
        world.d.tables["enabled"] = True
        await world.open()
        self.nodes = [Node(name, world, self.grants, self.seed) for name in ("a", "b")]
        for node in self.nodes:
            node.start()
        self.grants.give(r.choice(("a", "b")))
        await world.turns(r.randrange(30))
        for _ in range(self.steps):
            await self.step()
            for node in self.nodes:
                node.check()
            self.look()
        await self.end()

    async def step(self) -> None:
        """Something happens, and the loop runs a little."""
        world, r = self.world, self.random
        dice, node = r.random(), r.choice(self.nodes)
        if dice < 0.5:
            world.spawn(world.send(self.calls()))
        elif dice < 0.65:
            self.grants.give(node.name)
            self.moves += 1
        elif dice < 0.72:
            node.link.cut()
        elif dice < 0.8:
            node.link.heal()
        elif dice < 0.87:
            await node.kill()
        elif dice < 0.93 and not node.is_alive:
            node.start()
        else:
            world.clock.advance(r.choice((200, 2_000, 30_000, 120_000)))
        await world.turns(r.randrange(60))

    async def end(self) -> None:
        """No more faults; one of the two has it, and everything comes to where it belongs."""
        world = self.world
        world.d.vendor.faults = False
        for node in self.nodes:
            node.link.heal()
            if not node.is_alive:
                node.start()
        owner = next(node for node in self.nodes if node.name == self.grants.owner)
        await world.loop.quiet()
        world.spawn(world.command(lambda runner: runner.resume(), owner.side), COMMAND)
        for _ in range(6):
            await world.pass_time(400)
            owner.check()
            self.look()
        hold("commands are answered", world.commands == 0, world.commands)
        self.check_all()


def run_nodes(seed: int, steps: int | None = None) -> NodesStory:
    """Run one seed's story. Raises Broken where an invariant does not hold."""
    stories: list[NodesStory] = []

    async def tell(world: World) -> None:
        stories.append(NodesStory(world, seed, steps if steps is not None else 30 + seed % 50))
        await stories[0].tell()

    run_world(f"{seed} nodes", tell)
    return stories[0]
