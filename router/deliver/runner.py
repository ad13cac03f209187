"""Keeps one destination running: opens it from the store, starts its worker again if a step of it failed, pauses it if that
happens again. Acceptance and all other destinations go on meanwhile."""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from random import Random
from typing import Any

import aiohttp
import msgspec

from router.clock import Clock, to_iso
from router.deliver import commands
from router.deliver.waiting import Waiting
from router.deliver.worker import Worker
from router.destinations import Destination
from router.errors import StepFailed, StoreError
from router.metrics import Meter
from router.store import Letters, Status, Store
from router.telemetry import Log, to_paste

LIFETIME_PAUSE_S = 60.0
DROP_PAUSE_S = 0.01
"""Between two slices of dead letters, while the commit that drops the last one is on its way."""
CALM_S = 60.0
"""A worker that failed and failed again within this time pauses its destination."""


class ReplayOrder(msgspec.Struct, frozen=True):
    """What is to be sent again: the event at a position, dead letters, or what was accepted in a time."""

    pos: int | None = None
    letters: Letters | None = None
    since_ms: int = 0
    until_ms: int = 1 << 62
    count_only: bool = False


class Runner:
    """One configured destination of the daemon, whatever worker serves it at the moment."""

    def __init__(
        self,
        destination: Destination,
        store: Store,
        clock: Clock,
        log: Log,
        random: Random,
        meter: Meter | None = None,
    ) -> None:
        self.destination = destination
        self._meter = meter or Meter()
        self._store, self._clock, self._random = store, clock, random
        self._log = log.bind(destination=destination.name)
        self.waiting = Waiting(destination, store, clock, self._log)
        self._worker: Worker | None = None
        self._fault = ""  #: why the next worker starts paused
        self._stopping = False
        self._broken = ""  #: why its plugin cannot begin
        self._opened = asyncio.Event()
        self._stopped = asyncio.Event()

    # ------------------------------------------------------------ life

    async def open(self) -> None:
        """Take the destination's place in the log: what is accepted from here on is its own. Before `run`, or in it."""
        cursor = await self._store.cursor(self.destination.name, self._clock.now_ms(), self.destination.config.mode)
        if cursor.added and cursor.start:
            words = "starts at the head of the log; earlier events are not sent, unless you replay them"
            paste = to_paste(f"replay {self.destination.name} --since 7d")
            self._log.emit("destination_added", cursor=cursor.start, detail=words, paste=paste)
        if cursor.abandoned:
            words = "it was removed for longer than store.retention; what it had not read by then is lost to it"
            self._log.emit("events_abandoned", events=cursor.abandoned, detail=words)

    async def run(self) -> None:
        """Serve the destination until `stop`. Raises StoreError when the store itself is at fault."""
        await self.open()
        async with AsyncExitStack() as stack:
            session = await stack.enter_async_context(open_session(self.destination))
            await stack.enter_async_context(self.waiting.watched())
            while not self._stopping and not await self._enter_lifetime(stack):
                await self._wait_for_stop(LIFETIME_PAUSE_S)
            await self._serve_on(session)

    async def _enter_lifetime(self, stack: AsyncExitStack) -> bool:
        """Open what the plugin wants open while it works. A plugin that cannot stops nobody else."""
        try:
            await stack.enter_async_context(open_lifetime(self.destination))
        except Exception:
            self._log.emit("internal_error", reason="plugin_lifetime", detail=traceback.format_exc())
            self._broken = "its plugin could not open what it needs; the log has the reason (internal_error)"
            return False
        self._broken = ""
        return True

    async def _wait_for_stop(self, seconds: float) -> None:
        stopped = asyncio.ensure_future(self._stopped.wait())
        pause = asyncio.ensure_future(self._clock.sleep(seconds))
        await asyncio.wait({stopped, pause}, return_when=asyncio.FIRST_COMPLETED)
        stopped.cancel()
        pause.cancel()

    async def _serve_on(self, session: aiohttp.ClientSession) -> None:
        """One worker after the other; a second failure within a minute pauses the destination."""
        failed_at: float | None = None
        while not self._stopping:
            try:
                await self._serve(session)
            except* StepFailed as group:
                self._log.emit("internal_error", reason="step_failed", detail=str(group.exceptions[0]))
            except* StoreError:
                raise
            except* Exception as group:
                self._log.emit("internal_error", reason="worker", detail="".join(traceback.format_exception(group)))
            else:
                continue
            if is_cancelled():
                raise asyncio.CancelledError
            now = self._clock.monotonic()
            again = failed_at is not None and now - failed_at < CALM_S
            failed_at = now
            if again:
                self._fault = "it failed twice in a row; the log has the reason (internal_error)"

    async def _serve(self, session: aiohttp.ClientSession) -> None:
        cursor = await self._store.cursor(self.destination.name, self._clock.now_ms(), self.destination.config.mode)
        self._worker = Worker(
            self.destination, self._store, cursor, session, self._clock, self._log, self._random, self._meter
        )
        if self._fault:
            self._worker.flow.pause_internal(self._fault)
            self._worker.settlement.status_changed()
            self._fault = ""
        if self._stopping:
            return
        self._opened.set()
        await self._worker.run()

    def stop(self) -> None:
        """End `run` in good order: no new turns, in flight until the time-out, one last commit."""
        self._stopping = True
        self._stopped.set()
        self._opened.set()
        if self._worker is not None:
            self._worker.stop()

    def cut(self) -> None:
        """End `run` now: what is in flight is cut and repeated after the next start. What is booked is still committed."""
        self.stop()
        if self._worker is not None:
            self._worker.cut()

    @property
    def in_flight(self) -> int:
        """Requests on their way."""
        return self._worker.settlement.outbox.in_flight if self._worker is not None else 0

    # ------------------------------------------------------------ what operators ask

    async def opened(self) -> None:
        """Return once a worker is in charge."""
        await self._opened.wait()

    async def worker(self) -> Worker:
        """The worker in charge, once it is open."""
        if self._broken:
            raise commands.Refused("not_open", self._broken)
        await self._opened.wait()
        if self._worker is None or self._stopping:
            raise commands.Refused("stopping", "the destination is stopping")
        return self._worker

    async def _ask(self, worker: Worker, command: Callable[[], Awaitable[Any]]) -> Any:
        """Have a command carried out. Raises Refused where the worker ends before."""
        try:
            return await worker.ask(command)
        except asyncio.CancelledError:
            if is_cancelled():
                raise
            raise commands.Refused("stopping", "the destination ends or begins anew: ask once more") from None

    async def pause(self) -> None:
        """Send nothing until `resume`."""
        worker = await self.worker()

        async def command() -> None:
            if worker.flow.pause_by_hand():
                worker.settlement.status_changed()

        await self._ask(worker, command)

    async def resume(self) -> None:
        """Run, whatever it was paused for."""
        worker = await self.worker()

        async def command() -> None:
            if worker.flow.resume():
                worker.settlement.status_changed()

        await self._ask(worker, command)

    async def release(self, key: str, group: Mapping[str, Any] | None) -> int:
        """See `commands.release`."""
        worker = await self.worker()
        released: int = await self._ask(worker, lambda: commands.release(worker, key, group))
        return released

    async def drop(self, key: str) -> int:
        """See `commands.drop`."""
        worker = await self.worker()
        dropped: int = await self._ask(worker, lambda: commands.drop(worker, key))
        return dropped

    async def replay(self, order: ReplayOrder) -> dict[str, Any]:
        """See `commands.replay_letters`, `replay_span`, `replay_one`."""
        worker = await self.worker()
        if order.pos is not None:
            pos = order.pos
            answer: dict[str, Any] = await self._ask(worker, lambda: commands.replay_one(worker, pos))
        elif order.letters is not None:
            letters = order.letters
            answer = await self._ask(
                worker, lambda: commands.replay_letters(worker, letters, count_only=order.count_only)
            )
        else:
            answer = await self._ask(
                worker,
                lambda: commands.replay_span(worker, order.since_ms, order.until_ms, count_only=order.count_only),
            )
        return {**answer, **({} if order.count_only or order.pos is not None else worker.replay.describe())}

    async def stop_replay(self) -> None:
        """Feed nothing more."""
        worker = await self.worker()

        async def command() -> None:
            worker.replay.stop()

        await self._ask(worker, command)

    async def describe_replay(self) -> dict[str, Any]:
        """The newest replay, and how far it is."""
        return (await self.worker()).replay.describe()

    async def drop_letters(self, which: Letters, pos: int | None = None) -> int:
        """Drop dead letters of this kind, or the one at a position. Returns how many."""
        worker = await self.worker()
        if pos is not None:
            dropped: int = await self._ask(worker, lambda: commands.drop_letter(worker, pos))
        else:
            dropped, after = 0, -(1 << 62)
            while True:
                n, last = await self._ask(worker, partial(commands.drop_letters, worker, which, after))
                dropped += n
                if last is None:
                    break
                after = last
                while worker.book.full:
                    await self._clock.sleep(DROP_PAUSE_S)
        if dropped:
            self._log.emit("letters_dropped", letters=dropped, reason="by_hand")
        return dropped

    @property
    def status(self) -> Status:
        """Whether it runs, and if not, why and since when."""
        if not self.destination.config.enabled:
            return Status("disabled")
        if self._broken:
            return Status("paused", "internal", detail=self._broken)
        return self._worker.flow.status if self._worker is not None else Status()

    @property
    def warnings(self) -> Mapping[str, int]:
        """What the plugin warned of since the start, counted."""
        return dict(self._worker.warnings) if self._worker is not None else {}

    def describe(self) -> dict[str, Any]:
        """For `/api/destinations`: what is configured and how it is."""
        d, status = self.destination, self.status
        return {
            "name": d.name,
            "plugin": d.plugin_name,
            "mode": d.config.mode,
            "enabled": d.config.enabled,
            "sources": list(d.config.sources),
            "state": status.state,
            "state_reason": status.reason,
            "state_detail": status.detail,
            "state_since": to_iso(status.since) if status.since else None,
            "state_until": to_iso(status.until) if status.until else None,
            "in_flight": self.in_flight,
            "mapped": self._worker.turns.mapped if self._worker else 0,
            "warnings": self.warnings,
        }


def is_cancelled() -> bool:
    """Whether somebody has cancelled this task. A TaskGroup of which a task fails in the same moment raises that only."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


@asynccontextmanager
async def open_session(destination: Destination) -> AsyncIterator[aiohttp.ClientSession]:
    """The destination's own connections: one vendor's slowness takes none of another's."""
    delivery = destination.config.delivery
    async with aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=delivery.concurrency),
        timeout=aiohttp.ClientTimeout(total=delivery.timeout_s),
        cookie_jar=aiohttp.DummyCookieJar(),
        headers={"User-Agent": "segment-router"},
        trust_env=False,
    ) as session:
        yield session


@asynccontextmanager
async def open_lifetime(destination: Destination) -> AsyncIterator[None]:
    """The plugin's own lifetime around the worker's, if it has one."""
    async with AsyncExitStack() as stack:
        if "lifetime" in destination.hooks:
            await stack.enter_async_context(destination.hooks["lifetime"]())
        yield
