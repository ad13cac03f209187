"""Who owns a destination. Taking it over raises its epoch, and every commit compares owner, epoch and step."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterable
from typing import Any, TypeVar

from router.errors import CommandRefused
from router.store.postgres import dropping, idle_unit, preference_rows, units
from router.store.postgres.block_reads import Blocks
from router.store.postgres.claim import Grant, PostgresClaim
from router.store.postgres.database import Database, Work
from router.store.postgres.housekeeping import Housekeeping
from router.store.postgres.known_people import KnownPeople
from router.store.postgres.lease import since_boot
from router.store.postgres.node import Node
from router.store.postgres.outcome_codes import OutcomeCodes
from router.store.postgres.units import Takes
from router.store.rows import Opening, Status, Unit
from router.store.shards import Share

T = TypeVar("T")


class PostgresClaims:
    """Implements `ports.Claims`. `node`: None where nobody else uses the database: then who opens a unit takes it."""

    def __init__(
        self,
        database: Database,
        blocks: Blocks,
        people: KnownPeople,
        housekeeping: Housekeeping,
        node: Node | None = None,
    ) -> None:
        me = housekeeping.me
        self._database, self._blocks, self._people, self._me, self._node = database, blocks, people, me, node
        self._housekeeping = housekeeping
        self.codes = OutcomeCodes()
        self._alone = units.Lease(me, None, socket.gethostname())
        self._given_back: set[asyncio.Task[None]] = set()

    async def open(self, unit: Unit, opening: Opening) -> PostgresClaim:
        """Take a unit over from whoever had it, when it is this node's turn."""
        claim = await self.open_now(unit, opening)
        if claim is None and self._node is not None:
            with self._node.waiting(unit) as turn:
                while claim is None:
                    await turn.wait()
                    turn.clear()
                    claim = await self._take(unit, opening, Takes.ANY)
        assert claim is not None
        return claim

    async def open_now(self, unit: Unit, opening: Opening) -> PostgresClaim | None:
        """The same, without waiting for anybody."""
        return await self._take(unit, opening, self._taken_now(unit.destination))

    def _taken_now(self, destination: str) -> Takes:
        if self._node is None:
            return Takes.ANY
        seen = self._node.seen
        if not seen.may_serve(destination):
            return Takes.NONE
        return Takes.ITS_OWN if seen.has_rivals(destination) else Takes.ANY

    async def holder(self, unit: Unit) -> str:
        """Which node has it, as of the last sign of life."""
        return self._node.seen.holder(unit) if self._node is not None else ""

    async def shares(self, destination: str) -> list[Share]:
        """The shards of a destination of which the store has a place."""
        return [scope.share for scope in await self._database.ask(idle_unit.scopes, destination)]

    def status(self, unit: Unit) -> Status | None:
        """How it is at another node, as of the last sign of life."""
        return self._node.seen.status(unit) if self._node is not None else None

    async def _take(self, unit: Unit, opening: Opening, takes: Takes) -> PostgresClaim | None:
        taking = asyncio.ensure_future(self._taken(unit, opening, takes))
        try:
            return await asyncio.shield(taking)
        except asyncio.CancelledError:  # nobody wants it any more
            taking.add_done_callback(self._give_back)
            raise

    async def _taken(self, unit: Unit, opening: Opening, takes: Takes) -> PostgresClaim | None:
        node, asked_at = self._node, since_boot()
        lease = self._alone if node is None else node.lease(opening.timeout_s, takes)
        found = await self._write(units.open_unit, unit, opening, lease)
        if found is None:
            return None
        await self._people.look()  # before it reads the log
        if node is None:
            return PostgresClaim(Grant(*found), self._me, self._database, self._blocks, self.codes)
        grant = Grant(*found, node.held(opening.timeout_s, asked_at), node.states)
        claim = PostgresClaim(grant, self._me, self._database, self._blocks, self.codes)
        node.add(claim)
        return claim

    def _give_back(self, taken: asyncio.Future[PostgresClaim | None]) -> None:
        if taken.cancelled() or taken.exception() is not None or (claim := taken.result()) is None:
            return
        task = asyncio.ensure_future(claim.give_back(to_others=False))
        self._given_back.add(task)
        task.add_done_callback(self._given_back.discard)

    def keep_for(self, destinations: Iterable[str]) -> None:
        """What these have not read yet stays, however old it is. Other nodes learn what is configured here."""
        self._housekeeping.keep_for(destinations)
        if self._node is not None:
            self._node.seen.destinations = frozenset(destinations)

    async def drop_preferences(self) -> None:
        """Drop the preferences of all users, in slices."""
        while await self._write(preference_rows.drop_slice):
            pass

    async def drop(self, destination: str) -> dict[str, int]:
        """Drop all that is kept of a destination, in slices; returns what that was. Raises CommandRefused where a node has it configured."""
        if self._node is not None and (others := self._node.seen.others_with(destination)):
            words = (
                f"{destination} is configured at {', '.join(others)}: take it out of config.toml there and reload first"
            )
            raise CommandRefused("configured", words)
        kept = await self._write(dropping.begin_to_drop, destination)
        while await self._write(dropping.drop_slice, destination):
            pass
        return kept

    async def _write(self, work: Work[T], *args: Any) -> T:
        """As soon as there is a database. It is never given up."""
        return await self._database.see_through(self._database.read(lambda: None, work, *args))
