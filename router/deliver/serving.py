"""Keeps one destination served: opens it from the store, starts its worker again if a step of it failed, pauses it if that
happens again. Acceptance and all other destinations go on meanwhile."""

from __future__ import annotations

import asyncio
import threading
import traceback
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from random import Random

from router.clock import Clock
from router.deliver.claiming import Claiming
from router.deliver.context import DeliveryContext
from router.deliver.jobs.held_report import Waiting
from router.deliver.send.http_client import Client, open_client
from router.deliver.send.rate_limit import RateLimit
from router.deliver.worker import FULL_PAUSE_S, Worker
from router.errors import ClaimLost, CommandNotBegun, CommandRefused, CommitFailed, StoreError, StoreFull
from router.judge import SourcePlans
from router.logger import Log
from router.metrics import Meter
from router.plugin_host import Destination
from router.plugin_host.hook_watch import Slow
from router.plugin_host.lifetime import Lifetime, LifetimeFault
from router.store import Claim, Store
from router.tracing import Tracing

LIFETIME_PAUSE_S = 60.0
FAULT_PAUSE_S = 1.0
"""Before a worker starts again after a second failure."""
CALM_S = 60.0
"""A worker that failed and failed again within this time pauses its destination."""


class Serving:
    """One configured destination, whatever worker serves it at the moment."""

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
        self.needs_restart = destination.needs_restart  #: as the last reload found it
        self._store, self._clock = store, clock
        self._log = log.bind(destination=destination.name)
        self._random, self._meter = random, meter or Meter()
        self.waiting = Waiting(destination, store.queries, clock, self._log)
        self._worker: Worker | None = None
        self._fault = ""  #: why the next worker starts paused
        self._stopping = False
        self._broken = ""  #: why its plugin cannot begin
        self._claiming = Claiming(destination, store.claims, clock, self._log)
        self._has_changed = False  #: since the last worker: a key or set-up that was refused may be right now
        self._serving = asyncio.Lock()  #: held by the worker in charge, or by what must be done between two of them
        self._waiting_to_serve = 0  #: works that wait for the worker in charge to end
        self._wanted_alone = asyncio.Event()  #: set while there are any
        self._is_alone = False  #: its loop is its own
        self._plans = SourcePlans()
        self._tracing: Tracing | None = None
        rate = destination.config.delivery.rate
        self.rate = RateLimit(rate, clock) if rate else None  #: of all its workers together
        self._on_slow: Callable[[Slow], None] = lambda slow: None
        self._held: Callable[[], str] = str
        destination.watch.attach(self._log.bind(plugin=destination.plugin_name).emit, self.hooks_are_slow)
        self._opened = asyncio.Event()
        self._stopped = asyncio.Event()

    # ------------------------------------------------------------ life

    def probe_at_once(self) -> None:
        """Its table or its key has changed: a pause for these is tried out when it opens. To be called before `run`."""
        self._has_changed = True

    def keep_rate(self, former: RateLimit | None) -> None:
        """Go on with what the runner before it has left of the same rate. To be called before `run`."""
        if former is not None and former.rate == self.destination.config.delivery.rate:
            self.rate = former

    def live_alone(self) -> None:
        """Its loop is its own: it shares no opened event with others. To be called before `run`."""
        self._is_alone = True

    def judge_by(self, plans: SourcePlans) -> None:
        """A replay asks these tracking plans. To be called before `run`."""
        self._plans = plans

    def trace_by(self, tracing: Tracing | None) -> None:
        """Its requests are spans of this; None: they are not traced. To be called before `run`."""
        self._tracing = tracing

    def when_slow(self, call: Callable[[Slow], None]) -> None:
        """Call this when its hooks have held the loop again and again. To be called before `run`."""
        self._on_slow = call

    def pause_while(self, held: Callable[[], str]) -> None:
        """Each worker begins paused while this says why: a hook ended the process. To be called before `run`."""
        self._held = held

    async def open(self) -> None:
        """Take the destination's place in the log: what is accepted from here on is its own. Before `run`, or in it.

        On a full disk that waits until there is room: no event is accepted by then either. Where another node has the destination, its
        place is taken already.
        """
        await self._claiming.open_now()

    def _open_client(self) -> AbstractAsyncContextManager[Client]:
        """The destination's own connections."""
        return open_client(self.destination.config.delivery)

    async def run(self) -> None:
        """Serve the destination until `stop`. Raises StoreError when the store itself is at fault."""
        self.destination.watch.thread_id = threading.get_ident()
        await self.open()
        async with self._open_client() as client, self.waiting.watched():
            while not self._stopping:
                if not await self._live(client):
                    await self._claiming.let_go(to_others=True)
                    await self._wait_for_stop(LIFETIME_PAUSE_S)
        await self._claiming.let_go(to_others=False)

    async def _live(self, client: Client) -> bool:
        """One lifetime of the plugin around the workers. False: it failed. A plugin that cannot open stops nobody else."""
        lifetime = Lifetime(self.destination, self._end_worker)
        try:
            await lifetime.open()
        except LifetimeFault as fault:
            self._lifetime_failed(fault)
            return False
        self._broken = ""
        try:
            await self._serve_on(client, lifetime)
        finally:
            try:
                await lifetime.close()
            except LifetimeFault as fault:
                self._lifetime_failed(fault)
        return not self._broken

    def _lifetime_failed(self, fault: LifetimeFault) -> None:
        d = self.destination
        words = d.redact(str(fault))
        self._log.emit("plugin_failed", plugin=d.plugin_name, hook="lifetime", detail=words)
        self._broken = "its plugin could not open what it needs, or lost it; the log has the reason (plugin_failed)"

    def hooks_are_slow(self, slow: Slow) -> None:
        """They have held the loop again and again, or for ever: others must not wait for them."""
        if self._is_alone:
            return
        if self.destination.config.delivery.slow_hooks == "thread" and not slow.holds_all:
            self._on_slow(slow)
        elif (worker := self._worker) is not None:
            words = f"plugin {self.destination.plugin_name}: {slow.words}"
            worker.core.status.record(worker.state.breaker.pause_for_hook(words))

    def _end_worker(self) -> None:
        """The plugin's lifetime has ended: nothing more is sent with it."""
        if self._worker is not None:
            self._worker.stop()

    async def _claim_when_there_is_room(self, lifetime: Lifetime) -> Claim | None:
        """None: it is to stop, or somebody must have the destination without a worker, or its lifetime has ended and the disk is full still."""
        if (claim := self._claiming.take()) is not None:
            return claim
        while not self._stopping and not lifetime.has_ended and not self._waiting_to_serve:
            try:
                return await self._claiming.open_or_end((self._stopped, self._wanted_alone))
            except StoreFull:
                await self._wait_for_stop(FULL_PAUSE_S)
        return None

    async def _wait_for_stop(self, seconds: float) -> None:
        stopped = asyncio.ensure_future(self._stopped.wait())
        pause = asyncio.ensure_future(self._clock.sleep(seconds))
        await asyncio.wait({stopped, pause}, return_when=asyncio.FIRST_COMPLETED)
        stopped.cancel()
        pause.cancel()

    async def _serve_on(self, client: Client, lifetime: Lifetime) -> None:
        """One worker after the other; a second failure within a minute pauses the destination."""
        failed_at: float | None = None
        while not self._stopping and not lifetime.has_ended:
            has_failed, is_closed = True, False
            try:
                await self._serve(client, lifetime)
                has_failed = False
            except* (StoreFull, ClaimLost):
                has_failed = False  # stopped on a full disk, or replaced: what is not stored is done again
            except* CommitFailed as group:
                self._log.emit("internal_error", reason="step_failed", detail=str(group.exceptions[0]))
            except* StoreError:
                raise
            except* GeneratorExit:
                is_closed = True
            except* BaseException as group:  # also what is no Exception: it must not end the daemon
                if not is_cancelled():
                    words = self.destination.redact("".join(traceback.format_exception(group)))
                    self._log.emit("internal_error", reason="worker", detail=words)
            if is_closed:  # raised here: a `raise` in `except*` would put it into a group
                raise GeneratorExit
            if is_cancelled():
                raise asyncio.CancelledError
            if not has_failed:
                continue
            now = self._clock.monotonic()
            again = failed_at is not None and now - failed_at < CALM_S
            failed_at = now
            if again:
                await self._wait_for_stop(FAULT_PAUSE_S)
                self._fault = "it failed twice in a row; the log has the reason (internal_error)"

    async def _serve(self, client: Client, lifetime: Lifetime) -> None:
        async with self._serving:
            await self._serve_alone(client, lifetime)

    async def _serve_alone(self, client: Client, lifetime: Lifetime) -> None:
        claim = await self._claim_when_there_is_room(lifetime)
        if claim is None or self._waiting_to_serve:
            return
        context = DeliveryContext(
            self.destination,
            self._store.log,
            claim,
            self._store.health,
            self._clock,
            self._log,
            self._random,
            self._meter,
            self._is_alone,
            self.rate,
            self._plans,
            self._tracing,
        )
        self._worker = Worker(context, client)
        if self._fault:
            self._worker.state.breaker.pause_internal(self._fault)
            self._worker.core.status.record(True)
            self._fault = ""
        if held := self._held():
            self._worker.core.status.record(self._worker.state.breaker.pause_for_hook(held))
        if self._has_changed and self._worker.state.breaker.probe_now():
            self._worker.core.status.record(False)
        self._has_changed = False
        if self._stopping or lifetime.has_ended:
            await claim.give_back(to_others=False)
            return
        self._opened.set()
        await self._work(self._worker, claim)

    async def _work(self, worker: Worker, claim: Claim) -> None:
        """Have it work until it is told to stop, or another node should have the destination, or has it."""
        asked_back = asyncio.ensure_future(claim.until_asked_back())
        asked_back.add_done_callback(lambda asked: None if asked.cancelled() else worker.stop())
        try:
            await worker.run()
        finally:
            claim.rest()
            is_asked_back = asked_back.done()
            asked_back.cancel()
            if (is_asked_back or claim.lost.is_set()) and not self._stopping:
                self._worker = None
                self._opened.clear()  # commands wait for the next worker, or are told who has the destination
        if is_asked_back or self._stopping:
            await claim.give_back(to_others=is_asked_back and not self._stopping)

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

    def abandon(self) -> None:
        """From another thread, for one whose loop a hook holds: when the hook returns, nothing more is done."""
        self._stopping = True
        if self._worker is not None:
            self._worker.abandon()

    @property
    def in_flight(self) -> int:
        """Requests on their way."""
        return self._worker.core.batcher.in_flight if self._worker is not None else 0

    @property
    def round_s(self) -> float:
        """For how long its worker has been at one piece of work; 0 while it waits for some."""
        return self._worker.round_s if self._worker is not None else 0.0

    # ------------------------------------------------------------ the worker in charge

    async def opened(self) -> None:
        """Return once a worker is in charge."""
        await self._opened.wait()

    async def worker(self) -> Worker:
        """The worker in charge, once it is open."""
        if self._broken:
            raise CommandRefused("not_open", self._broken)
        if holder := await self._claiming.holder():
            raise CommandRefused("elsewhere", f"node {holder} delivers to it: ask that one")
        await self._opened.wait()
        if self._worker is None or self._stopping:
            raise CommandNotBegun
        return self._worker

    async def _between_workers(self, work: Callable[[], Awaitable[None]]) -> None:
        """Carry this out while no worker is in charge."""
        self._waiting_to_serve += 1
        self._wanted_alone.set()
        try:
            if self._worker is not None:
                self._worker.stop()
            if not self._stopping:
                self._opened.clear()  # commands wait for the next worker
            async with self._serving:
                self._claiming.drop()  # its cursor may be read anew
                await work()
        finally:
            self._waiting_to_serve -= 1
            if not self._waiting_to_serve:
                self._wanted_alone.clear()


def is_cancelled() -> bool:
    """Whether somebody has cancelled this task. A TaskGroup of which a task fails in the same moment raises that only."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
