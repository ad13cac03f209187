"""This process among those that use the database: its signs of life, what it owns, and whose turn it is to own what nobody does."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import NamedTuple
from uuid import UUID, uuid4

import asyncpg

from router import __version__
from router.clock import Clock
from router.store.cluster_rows import Listening
from router.store.postgres.claim import PostgresClaim
from router.store.postgres.database import Connection, Database, closed
from router.store.postgres.database_time import DatabaseTime, since_boot_ns
from router.store.postgres.lease import Held, beat_s, since_boot, unit_lease_s
from router.store.postgres.nodes_seen import NodesSeen
from router.store.postgres.units import Lease, Takes
from router.store.rows import Unit
from router.store.shard_states import ShardStates

BEAT_LIMIT_S = 3.0
"""So long a sign of life may take; then its connection is left, and the next one has a new one."""
LOCK_MS = "2000"
ANOTHER_PROCESS = "SR002"
HEARTBEAT = "SELECT * FROM heartbeat_2($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)"


class NodeSettings(NamedTuple):
    """Who a node is."""

    id: UUID
    name: str
    lease_s: float  #: so long after its last sign of life it is taken for dead


class Node:
    """Owns one connection while `run` runs."""

    def __init__(self, database: Database, clock: Clock, time: DatabaseTime, settings: NodeSettings) -> None:
        self.me = uuid4()  #: this process
        self.settings = settings
        self.seen = NodesSeen(settings.id, settings.name, clock)
        self.states = ShardStates()
        self.listening = Listening()  #: other nodes and people who ask learn it by the next sign of life
        self.is_away = False  #: the last sign of life was not taken
        self.broken = ""  #: why this process may not go on
        self.failed = asyncio.Event()  #: set with `broken`
        self._database, self._clock, self._time = database, clock, time
        self._connection: Connection | None = None
        self._claims: dict[Unit, PostgresClaim] = {}
        self._turns: dict[Unit, asyncio.Event] = {}  #: of those who wait for a unit
        self._soon = asyncio.Event()
        self._free = 0  #: units without an owner, as of the last sign of life
        self._one_at_a_time = asyncio.Lock()

    # ------------------------------------------------------------ asked by claims

    def lease(self, timeout_s: float, takes: Takes) -> Lease:
        """For whom a unit is taken whose requests take up to `timeout_s`."""
        ms = int(1000 * self.unit_lease_s(timeout_s))
        return Lease(self.me, self.settings.id, self.settings.name, ms, takes)

    def unit_lease_s(self, timeout_s: float) -> float:
        """How long such a unit is owned after a sign of life."""
        return unit_lease_s(self.settings.lease_s, timeout_s)

    def held(self, timeout_s: float, asked_at: float) -> Held:
        """The lease of a unit that was taken by what was sent then."""
        return Held(self.unit_lease_s(timeout_s), asked_at)

    def add(self, claim: PostgresClaim) -> None:
        """This process owns it from now on."""
        former, self._claims[claim.unit] = self._claims.get(claim.unit), claim
        if former is not None:
            former.lost.set()

    def lose_all(self) -> None:
        """The database has gone back in time: what this process remembers of its destinations is not there."""
        for claim in self._claims.values():
            claim.lost.set()

    @contextmanager
    def waiting(self, unit: Unit) -> Iterator[asyncio.Event]:
        """An event that is set whenever it is this node's turn to take the unit."""
        turn = self._turns[unit] = asyncio.Event()
        try:
            yield turn
        finally:
            if self._turns.get(unit) is turn:
                del self._turns[unit]

    # ------------------------------------------------------------ signs of life

    async def join(self) -> None:
        """The first one: what the former process of this node owned can be taken at once. Raises what the database says."""
        await self._beat(is_first=True)

    async def run(self) -> None:
        """Give signs of life until cancelled, or until another process does so for this node."""
        while not self.broken:
            await self._pause()
            try:
                await self._beat()
            except Exception as error:  # whatever it is: the units fall silent where it goes on
                if isinstance(error, asyncpg.PostgresError) and error.sqlstate == ANOTHER_PROCESS:
                    self.broken = f"another process is node {self.settings.name} by now (a copied disk?): give each an id of its own"
                    self.failed.set()
                self.is_away = True
                self._leave_connection()

    def beat_soon(self) -> None:
        """A destination may be taken: do not wait for the next sign of life."""
        self._soon.set()

    async def _pause(self) -> None:
        ends = [
            asyncio.ensure_future(one) for one in (self._soon.wait(), self._clock.sleep(beat_s(self.settings.lease_s)))
        ]
        try:
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for one in ends:
                one.cancel()
        self._soon.clear()

    async def leave(self) -> None:
        """This node is no more: what it has given back by now is taken at once."""
        with contextlib.suppress(Exception):
            connection = await self._connect()
            async with asyncio.timeout(BEAT_LIMIT_S):
                await connection.execute(
                    "DELETE FROM node WHERE id = $1 AND incarnation = $2", self.settings.id, self.me
                )
        if self._connection is not None:
            await closed(self._connection)

    async def _beat(self, *, is_first: bool = False) -> None:
        async with self._one_at_a_time:
            await self._beat_alone(is_first=is_first)

    async def _beat_alone(self, *, is_first: bool) -> None:
        connection = await self._connect()
        seen, asked_at, asked_at_ns = self.seen, since_boot(), since_boot_ns()
        brought = seen.in_force.version
        asked = [one for one in self._claims.values() if one.is_served and one.lease and not one.lost.is_set()]
        work = asyncio.ensure_future(
            connection.fetchrow(
                HEARTBEAT,
                self.settings.id, self.me, self.settings.name, __version__, is_first,
                int(1000 * self.settings.lease_s), sorted(seen.destinations), json.dumps(dict(seen.configuration)), *self.listening,
                [one.unit.destination for one in asked], [one.unit.shard for one in asked], [one.epoch for one in asked],
                [one.step for one in asked], [int(1000 * one.lease.seconds) for one in asked if one.lease],
            )
        )  # fmt: skip
        work.add_done_callback(
            lambda done: done.cancelled() or done.exception()
        )  # perhaps nobody waits for it any more
        try:
            await asyncio.wait({work}, timeout=BEAT_LIMIT_S)
        finally:
            if not work.done():
                self._leave_connection()
        if not work.done():
            raise TimeoutError
        *told, now_us = work.result()
        self._time.seen(asked_at_ns, now_us)
        renewed, nodes, units = (json.loads(found) for found in told)
        self.is_away = False
        seen.told(nodes, units, brought=brought)
        self._renew(asked, {(name, shard, epoch) for name, shard, epoch in renewed}, asked_at)
        self._move()

    def _renew(self, asked: Iterable[PostgresClaim], renewed: set[tuple[str, int, int]], asked_at: float) -> None:
        for claim in asked:
            if (claim.unit.destination, claim.unit.shard, claim.epoch) not in renewed:
                claim.lost.set()
            elif claim.lease is not None:
                claim.lease.renew(asked_at)
        self._claims = {unit: one for unit, one in self._claims.items() if not one.lost.is_set()}

    def _move(self) -> None:
        found = self.seen.moves()
        before, self._free = self._free, self.seen.free
        if found.take and self._free not in (before, len(found.take)):
            self.beat_soon()  # one at a time, so that others have theirs; the next one now
        for unit in found.take:
            if (turn := self._turns.get(unit)) is not None:
                turn.set()
        for unit in found.give_back:
            if (claim := self._claims.get(unit)) is not None:
                claim.ask_back()

    async def _connect(self) -> Connection:
        if self._connection is None or self._connection.is_closed():
            self._connection = await self._database.connect(lock_timeout=LOCK_MS)
        return self._connection

    def _leave_connection(self) -> None:
        """It may be in the middle of something."""
        if self._connection is not None:
            self._connection.terminate()
            self._connection = None
