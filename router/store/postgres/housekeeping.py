"""What one process at a time does for all: trims the log and what is told of it, turns the generations of message ids, sweeps out what
was kept for nobody. A duty (`duty.py`): each slice is a transaction of whoever has it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager, suppress
from typing import Any, TypeVar
from uuid import UUID

from router.clock import Clock
from router.errors import StoreAway, StoreBusy, StoreError
from router.store.postgres import commands, generations, kept_events, trim_log, trim_rows
from router.store.postgres.database import CLOSE_S, Connection, Database, refusal
from router.store.postgres.duty import HOUSEKEEPING, Duty, DutyLost
from router.store.postgres.standby import Standby
from router.store.postgres.wanted import WANTED_MS, want

T = TypeVar("T")

BUSY_S, IDLE_S = 1.0, 60.0
"""Between two rounds: where there is more to be done, and where there is not."""
SWEEP_MS = 600_000
"""Between two looks at all events that are kept since rows refer to them."""
SWEPT = 1_000
"""Of these, looked at in one round."""


class Housekeeping:
    """Of one process. `run` as long as the store is open."""

    def __init__(self, database: Database, clock: Clock, me: UUID, retention_ms: int, window_ms: int) -> None:
        self.destinations: frozenset[str] | None = None  #: those that are configured here; None: nobody has said so yet
        self._database, self._clock, self.me = database, clock, me
        self._retention_ms, self._ids_ms = retention_ms, max(retention_ms, window_ms)
        self.standby = Standby(is_wanted=False)
        self.failed = ""  #: what the last round met that does not pass by itself
        self._duty = Duty(HOUSEKEEPING, me)
        self._since_ms = clock.now_ms()
        self._one_at_a_time = asyncio.Lock()
        self._pruned = ""  #: how far the present look at the memberships is
        self._looked_at = ("", 0)  #: the same for group calls that do not supply
        self._swept: int | None = None  #: and for kept events; None: it is over
        self._swept_ms = 0

    def keep_for(self, destinations: Iterable[str]) -> None:
        """What these have not read yet stays, however old it is."""
        self.destinations = frozenset(destinations)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Do it as long as the context is open. Another process may begin at once after that."""
        task = asyncio.create_task(self._run(), name="store-housekeeping")
        try:
            yield
        finally:
            task.cancel()
            await asyncio.wait({task})
            with suppress(Exception):  # else its lease runs out
                async with asyncio.timeout(CLOSE_S):
                    await self._database.see_through(self._give_back())

    async def _run(self) -> None:
        """Round after round. What fails is tried again in the next one."""
        has_more = False
        while True:
            await self._clock.sleep(BUSY_S if has_more else IDLE_S)
            try:
                has_more = await self.round()
            except StoreError as error:
                has_more, self.failed = False, "" if isinstance(error, StoreAway | StoreBusy) else str(error)
            else:
                self.failed = ""

    async def round(self) -> bool:
        """Do a slice of everything, if this process has the duty. Returns whether there is more to be done. Raises StoreError."""
        return await self._database.see_through(self._round())

    async def _give_back(self) -> None:
        async with self._one_at_a_time, self._database.worker() as connection:
            await self._duty.give_back(connection)

    async def _round(self) -> bool:
        async with self._one_at_a_time:
            try:
                async with self._database.worker() as connection:
                    await self.standby.look(connection)
                    if self.destinations:
                        await want(connection, self.destinations, self._clock.now_ms())
                    return await self._duty.take(connection) and await self._slices(connection)
            except DutyLost:
                return False
            except Exception as error:
                raise refusal(error) from error

    async def _slice(self, connection: Connection, work: Callable[..., Awaitable[T]], *args: Any) -> T:
        """One transaction of the duty's owner."""
        async with connection.transaction():
            await self._duty.hold(connection)
            return await work(connection, *args)

    async def _slices(self, connection: Connection) -> bool:
        now_ms = self._clock.now_ms()
        before_ms = now_ms - self._retention_ms
        gone = 0
        if now_ms - self._since_ms >= WANTED_MS:  # by then all processes have said what they have configured
            gone += await self._trim(connection, now_ms, before_ms)
        gone += await self._slice(connection, trim_rows.outcomes, before_ms)
        gone += await self._slice(connection, trim_rows.attempts, before_ms)
        gone += await self._slice(connection, commands.trim)
        await self._turn_generations(connection, now_ms)
        return await self._sweep(connection, now_ms) or gone > 0

    async def _trim(self, connection: Connection, now_ms: int, before_ms: int) -> int:
        destinations = None if self.destinations is None else sorted(self.destinations)
        if not await self._slice(connection, trim_log.announce, destinations, now_ms, before_ms):
            return 0
        async with connection.transaction():
            await trim_log.wait_for_commits(connection)
        gone = await self._slice(connection, trim_log.remove, before_ms)
        self._pruned = await self._slice(connection, trim_rows.memberships, self._pruned)
        self._looked_at = await self._slice(connection, trim_rows.group_calls, self._looked_at)
        return gone

    async def _turn_generations(self, connection: Connection, now_ms: int) -> None:
        if await self._slice(connection, generations.empty_next, self._ids_ms, now_ms):
            await self._slice(connection, generations.turn, now_ms)

    async def _sweep(self, connection: Connection, now_ms: int) -> bool:
        """Whether there is more to be looked at."""
        if self._swept is None and now_ms - self._swept_ms < SWEEP_MS:
            return False
        if self._swept is None:
            self._swept, self._swept_ms = 0, now_ms
        if await connection.fetchval("SELECT EXISTS (SELECT 1 FROM kept WHERE part = 0 AND pos > $1)", self._swept):
            self._swept = await self._slice(connection, kept_events.sweep, self._swept, SWEPT)
        else:
            self._swept = None
        return self._swept is not None
