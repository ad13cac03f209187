"""The destinations that run: started, ended, exchanged for others while everything else goes on. Owns their tasks."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from random import Random
from typing import Any

from router.clock import Clock
from router.deliver.commands import Refused
from router.deliver.runner import Runner
from router.destinations import Destination
from router.errors import StoreError
from router.metrics import Metrics
from router.store.sqlite import SqliteStore
from router.telemetry import Log, to_paste

CUT_S = 3.0
"""For what was cut to end, and for a last commit; a plugin that takes longer to close is cancelled."""


class Fleet:
    """A runner per configured destination, in the order of config.toml."""

    def __init__(self, store: SqliteStore, clock: Clock, log: Log, metrics: Metrics) -> None:
        self.runners: dict[str, Runner] = {}
        self.tasks: dict[str, asyncio.Task[None]] = {}
        self.changing = asyncio.Lock()  #: held while destinations are exchanged or dropped
        self._alive: dict[Runner, asyncio.Task[None]] = {}  #: those in `runners`, and those that are being ended
        self._store, self._clock, self._log, self._metrics = store, clock, log, metrics

    @asynccontextmanager
    async def running(self, destinations: Iterable[Destination], on_leave: Callable[[], None]) -> AsyncIterator[None]:
        """Run these destinations; leaving cuts what is still in flight, and commits what is booked."""
        try:
            for destination in destinations:
                await self._start(destination)
            await self._leave_out()
            yield
        finally:
            on_leave()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(CUT_S):
                    await self.end_all(Runner.cut)
            for task in self._alive.values():
                task.cancel()
            await ended(self._alive.values(), CUT_S)

    async def exchange(
        self, wanted: Mapping[str, Destination], changed: Iterable[str], added: Iterable[str], removed: Iterable[str]
    ) -> None:
        """Let these go on with new settings, begin or end; what is in flight ends with the old ones first."""
        await asyncio.gather(*(self._end(name) for name in (*changed, *removed)))
        for name in (*changed, *added):
            await self._start(wanted[name])
        self.runners = {name: self.runners[name] for name in wanted}  # answers list them as config.toml does
        await self._leave_out()

    async def end_all(self, end: Callable[[Runner], None]) -> None:
        """End every destination in this way, also those that are being exchanged."""
        for runner in self._alive:
            end(runner)
        async with self.changing:
            for runner in self._alive:
                end(runner)
        await ended(self._alive.values())

    def in_flight(self) -> dict[str, int]:
        """Requests on their way, of each destination that has any."""
        return {runner.destination.name: runner.in_flight for runner in self._alive if runner.in_flight}

    async def forget(self, name: str) -> dict[str, int]:
        """Drop all that is kept of a destination that is not configured. Raises Refused."""
        async with self.changing:
            if name in self.runners:
                raise Refused("configured", f"{name} is configured: take it out of config.toml and reload first")
            if name not in await self._store.questions.left_over(list(self.runners)):
                raise Refused("unknown_destination", f"nothing is kept of a destination {name!r}")
            return await self._store.forget(name)

    async def _start(self, destination: Destination) -> None:
        meter = self._metrics.meter(destination.name)
        runner = Runner(destination, self._store, self._clock, self._log, Random(), meter)
        await runner.open()  # before anything more is accepted
        self.runners[destination.name] = runner
        task = asyncio.create_task(runner.run(), name=f"destination-{destination.name}")
        self.tasks[destination.name] = self._alive[runner] = task
        task.add_done_callback(lambda _: self._alive.pop(runner))

    async def _end(self, name: str) -> None:
        self.runners.pop(name).stop()
        task = self.tasks.pop(name)
        with contextlib.suppress(StoreError):
            await task

    async def _leave_out(self) -> None:
        """Destinations that are configured no more keep what waits or is dead, but hold the log for the retention only."""
        self._store.keep_for(self.runners)
        for name, kept in (await self._store.questions.left_over(list(self.runners))).items():
            words = "kept until it is back or dropped; queued events only for store.retention"
            paste = to_paste(f"destinations drop {name}")
            self._log.emit("destination_removed", destination=name, **kept, detail=words, paste=paste)


async def ended(tasks: Iterable[asyncio.Future[Any]], within_s: float | None = None) -> None:
    """Wait for all of these, whatever they end with."""
    if waiting := list(tasks):
        await asyncio.wait(waiting, timeout=within_s)
