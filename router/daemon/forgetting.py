"""Carries out regulations: takes a demand, makes sure that nothing of these people or groups is sent any more, and erases the rest behind that.

The store keeps how far each regulation is; a start goes on with those that are left. They take turns, so one that waits for a vendor
holds up no other.
"""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from router.background import AFTER_FAULT_S, beside
from router.clock import Clock
from router.daemon.asked_tools import AskedTools
from router.daemon.supervisor import Supervisor
from router.errors import (
    CommandRefused,
    RegulationLost,
    StartError,
    StoreAway,
    StoreBusy,
    StoreClosed,
    StoreError,
    StoreFull,
)
from router.logger import Log
from router.store import Demand, Regulation, Step, Store

AGAIN_S = 1.0
"""Before a regulation is looked at again that could not go on: a vendor has not answered, a hook holds a destination, somebody reads an
older snapshot, the disk is full."""


class Forgetting:
    """Owned by the daemon. `resume` comes before the destinations run, `demand` after that."""

    def __init__(self, store: Store, supervisor: Supervisor, clock: Clock, log: Log) -> None:
        self._store, self._supervisor, self._clock, self._log = store, supervisor, clock, log
        self._tools = AskedTools(store, supervisor, clock)
        self._one_at_a_time = asyncio.Lock()
        self._under_way: dict[str, Regulation] = {}  #: oldest first
        self._erased_at: dict[str, set[str]] = {}  #: where the rows of one are erased, while they are not everywhere
        self._not_before: dict[str, float] = {}  #: those that failed of a fault of the router, and when they go on
        self._wake = asyncio.Event()

    async def resume(self) -> None:
        """What a regulation had not erased at the destinations yet is erased before any of them begins; so is what an older copy of
        the store has of people who were forgotten since.

        Raises StartError where the disk refuses that: what is not erased would be sent.
        """
        try:
            await self._resume()
        except (StoreFull, OSError) as error:
            words = "people are to be forgotten before anything is sent, and the disk refuses it"
            raise StartError(f"{words} ({error}): make room, then start again") from None

    async def _resume(self) -> None:
        if lost := await self._store.people.begin_again():
            self._log.emit("regulations_repeated", regulations=lost)
        for regulation in await self._store.erasure.resume():
            if regulation.step == Step.ROWS:
                regulation = await self._erase_rows(regulation)
            self._under_way[regulation.id] = regulation

    async def _erase_rows(self, regulation: Regulation) -> Regulation:
        """While nothing runs here. What another process has is asked of that one later."""
        try:
            for name in await self._store.queries.destinations():
                for share in await self._store.claims.shares(name):
                    await self._store.erasure.erase_at(name, regulation.id, share)
        except CommandRefused:
            return regulation
        return await self._store.erasure.erase_on(regulation.id)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Work off what is left. What is not done by the end of it goes on at the next start."""
        async with beside("forgetting", self._run, self._clock, self._log):
            yield

    async def demand(self, demand: Demand) -> Regulation:
        """Record a demand, and return when nothing of these people is sent any more; the rest is erased behind that.

        Raises:
            CommandRefused: `busy`, a destination is held by a hook (it goes on); `store_full`, nothing was recorded.
            StoreError: nothing was recorded.
        """
        try:
            regulation = await self._store.people.begin(demand)
        except StoreFull:
            raise CommandRefused("store_full", "the disk is full, so nothing can be recorded") from None
        try:
            regulation = await self._next_step(regulation)
        except (CommandRefused, StoreError, OSError) as error:
            words = f"regulation {regulation.id} is recorded and goes on, but not everything has come to rest: {error}"
            raise CommandRefused("busy", words) from None
        finally:
            if regulation.is_under_way:
                self._under_way[regulation.id] = regulation
                self._wake.set()
            else:
                self._tell(regulation)
        return regulation

    async def _run(self) -> None:
        while True:
            moved = await self._adopt()
            for regulation_id in list(self._under_way):
                moved |= await self._move(regulation_id)
            if not moved:
                await self._pause()

    async def _adopt(self) -> bool:
        """Go on with those whose process has ended."""
        try:
            found = await self._store.erasure.left_behind()
        except StoreError:  # the next time
            return False
        self._under_way.update({regulation.id: regulation for regulation in found})
        return bool(found)

    async def _pause(self) -> None:
        """Until there is another one, or until what did not go on is looked at again."""
        self._wake.clear()
        ends = [self._wake.wait(), self._store.erasure.until_left_behind()]
        if self._under_way:
            ends.append(self._clock.sleep(AGAIN_S))
        waiting = [asyncio.ensure_future(end) for end in ends]
        try:
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for one in waiting:
                one.cancel()

    async def _move(self, regulation_id: str) -> bool:
        """Take the next step of a regulation. False: it cannot go on now."""
        before = self._under_way[regulation_id]
        if self._clock.monotonic() < self._not_before.get(regulation_id, 0.0):
            return False
        self._not_before.pop(regulation_id, None)
        try:
            after = await self._next_step(before)
        except (CommandRefused, StoreAway, StoreBusy, StoreFull, StoreClosed, OSError):
            return False
        except RegulationLost:  # another process carries it out
            del self._under_way[regulation_id]
            return False
        except Exception:  # the people of a regulation must not stay because of one fault
            words = traceback.format_exc()
            self._log.emit("internal_error", reason="forgetting", regulation=regulation_id, detail=words)
            self._not_before[regulation_id] = self._clock.monotonic() + AFTER_FAULT_S
            return False
        self._under_way[regulation_id] = after
        if not after.is_under_way:
            del self._under_way[regulation_id]
            self._tell(after)
        return after != before

    async def _next_step(self, regulation: Regulation) -> Regulation:
        if regulation.step == Step.ROWS:
            async with self._one_at_a_time:
                await self._supervisor.forget_people(regulation, self._erased_at.setdefault(regulation.id, set()))
        if regulation.step == Step.TOOLS:
            regulation = await self._tools.look(regulation)
        if regulation.step == Step.CLEAN:
            self._supervisor.forget_messages()
        after = await self._store.erasure.erase_on(regulation.id)
        self._erased_at.pop(regulation.id, None)
        return after

    def _tell(self, regulation: Regulation) -> None:
        """One line, and never whom."""
        erased = {f"erased_{name}": n for name, n in regulation.counts.items()}
        many = "groups" if regulation.subject_type == "GROUP_ID" else "people"
        told = {many: regulation.subjects, **erased, **({"detail": regulation.note} if regulation.note else {})}
        self._log.emit("forgotten", regulation=regulation.id, kind=regulation.kind, **told)
