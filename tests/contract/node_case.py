"""Several nodes on one database, without daemons: each is an opened store that gives signs of life when the test says so."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, cast
from uuid import UUID

from router.store import PART, CommitBatch, Opening, Unit
from router.store.postgres.claim import PostgresClaim
from router.store.postgres.claims import PostgresClaims
from router.store.postgres.head_watch import HeadWatch
from router.store.postgres.node import Node, NodeSettings
from router.store.postgres.store import open_postgres
from router.store.postgres.units import Takes
from router.testing.clock import START_MS, FakeClock
from tests.contract.postgres_case import PostgresCase
from tests.contract.test_store import WINDOW_S

UNIT, OPENING = Unit(PART, "d"), Opening(START_MS, timeout_s=1.0)
LEASE_S = 3600.0
"""No test is so slow. What a lease does at its end is made by hand."""


class Among(PostgresCase):
    """A node. The fake clock stands still, so it gives signs of life when the test says so."""

    node: Node

    async def beat(self) -> None:
        await self.node._beat()

    async def configure(self, by_hand: bool = False, **hashes: str) -> None:
        """This is configured here: of each destination a hash."""
        assert self.cluster is not None
        configuration = {f"destination {name}": hash for name, hash in hashes.items()}
        await self.cluster.configure(configuration, by_hand=by_hand)

    def pass_time(self, seconds: float) -> None:
        """By its own clock. Shorter than the time between its signs of life."""
        clock: Any = self.node._clock
        clock.advance(seconds)

    @property
    def shared_claims(self) -> PostgresClaims:
        return cast(PostgresClaims, self.claims)

    def head_watch(self) -> HeadWatch:
        """Looks when the test says so."""
        claims = self.shared_claims
        return HeadWatch(claims._database, self.queue, claims._people, self.node.states, self.queue.clock)

    async def take(self) -> PostgresClaim | None:
        """As if it were its turn."""
        return await self.shared_claims._take(UNIT, OPENING, Takes.ANY)

    async def owns(self, unit: Unit = UNIT) -> PostgresClaim:
        claim = await self.claims.open_now(unit, OPENING)
        assert claim is not None
        return cast(PostgresClaim, claim)


OpenNode = Callable[..., AbstractAsyncContextManager[Among]]


async def let_it_run_out(store: PostgresCase) -> None:
    """What the database's clock would do in the end."""
    await store.execute("UPDATE unit SET expires = clock_timestamp() - interval '1 ms'")


def batch(value: str) -> CommitBatch:
    return CommitBatch("d", state={"k": value.encode()}, at=START_MS)


async def granted(waiting: asyncio.Task[Any], store: Among) -> PostgresClaim:
    """What it waits for, once a sign of life says that it is its turn."""
    while not waiting.done():
        await store.beat()
    claim: PostgresClaim = waiting.result()
    return claim


async def waits(task: asyncio.Task[Any], store: PostgresCase) -> bool:
    """Whether it waits still, after as many answers of the database as it may have asked for."""
    for _ in range(5):
        await store.queries.destinations()
    return not task.done()


def nodes_on(dsn: str) -> OpenNode:
    """Opens nodes on a database: by number, with the destinations that each has configured."""

    @asynccontextmanager
    async def open_node(number: int, *destinations: str) -> AsyncIterator[Among]:
        settings = NodeSettings(UUID(int=number), f"node-{number}", LEASE_S)
        opening = open_postgres(
            dsn, lambda mark: FakeClock(), dedupe_window_s=WINDOW_S, needs_fsync=False, node=settings
        )
        async with opening as (opened, _):
            case = Among(opened, dsn)
            case.claims.keep_for(destinations)
            await case.beat()
            yield case

    return open_node
