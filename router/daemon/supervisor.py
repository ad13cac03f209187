"""Runs the configured destinations: starts them, exchanges them at a reload, ends them, and notices one that ends by itself."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import traceback
from collections.abc import AsyncIterator, Callable, Collection, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from random import Random
from typing import Any

from router.clock import Clock
from router.daemon.commanded_runner import CommandedRunner
from router.daemon.commands import SharedCommands
from router.daemon.isolation import Isolation
from router.daemon.loop_watch import LoopWatch
from router.daemon.sharded_runner import ShardedRunner
from router.daemon.thread_runner import ThreadRunner
from router.deliver.commands import Forget
from router.deliver.jobs.held_report import Waiting
from router.deliver.runner import Runner
from router.deliver.runner_port import DestinationRunner, ShardRunner
from router.errors import CommandRefused
from router.judge import SourcePlans
from router.logger import Log, to_paste
from router.metrics import Metrics
from router.plugin_host import Destination
from router.plugin_host.hook_watch import Slow
from router.plugin_host.shards import shard_of
from router.store import PART, Regulation, Share, Store, Unit
from router.store.from_thread import StoreFromThread
from router.tracing import Tracing

EXCHANGE_S = 10.0
"""So long what an operator asks waits for a destination that is being exchanged. Its last requests may take longer."""
CUT_S = 3.0
"""How long requests that were cut may take to end, with the last commit. A plugin that takes longer is cancelled."""


class Supervisor:
    """A runner per configured destination, in the order of config.toml."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        log: Log,
        metrics: Metrics,
        isolation: Isolation,
        loops: LoopWatch | None = None,
    ) -> None:
        #: This mapping is replaced and never changed, so a reader may await between two looks at it.
        self.runners: Mapping[str, DestinationRunner] = {}
        self.failed = asyncio.Event()  #: set when a destination ends that nobody asked to end
        self.fault = ""  #: which one, and why
        self.changing = asyncio.Lock()  #: held while destinations are exchanged or dropped
        self._tasks: dict[DestinationRunner, asyncio.Task[None]] = {}  #: of all runners that have not ended yet
        self._ending: set[DestinationRunner] = set()  #: those of them that were asked to end
        self._store = store
        self._clock = clock
        self._log = log
        self._metrics = metrics
        self._plans = SourcePlans()
        self._tracing: Tracing | None = None
        self._commands: SharedCommands | None = None  #: None: no other process has destinations
        self._loops = loops or LoopWatch(lambda: (), log)
        self._isolation = isolation
        self._moves: dict[str, asyncio.Task[None]] = {}  #: by destination: there is one at a time
        self._is_ending = False
        self._listed = asyncio.Event()  #: of the next change of `runners`

    def judge_by(self, plans: SourcePlans) -> None:
        """Replays ask these tracking plans. To be called before `running`."""
        self._plans = plans

    def trace_by(self, tracing: Tracing | None) -> None:
        """Requests to vendors are spans of this; None: they are not traced. To be called before `running`."""
        self._tracing = tracing

    def command_by(self, commands: SharedCommands) -> None:
        """What operators ask of a destination is asked of the process that has it. To be called before `running`."""
        self._commands = commands

    @asynccontextmanager
    async def running(self, destinations: Iterable[Destination], on_leave: Callable[[], None]) -> AsyncIterator[None]:
        """Run these destinations. Leaving cuts what is still in flight, and commits the outcomes that are known."""
        try:
            self._list({})
            wanted = list(destinations)
            self._store.claims.keep_for(
                [destination.name for destination in wanted]
            )  # from before their places are read
            for destination in wanted:
                self._isolation.heed_mark(destination)
                await self._start(destination)
            await self._report_removed()
            yield
        finally:
            on_leave()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(CUT_S):
                    await self.end_all(lambda runner: runner.cut())
            for task in self._tasks.values():
                task.cancel()
            await ended(self._tasks.values(), CUT_S)

    async def exchange(
        self,
        wanted: Mapping[str, Destination],
        changed: Collection[str],
        added: Iterable[str],
        removed: Collection[str],
    ) -> None:
        """Give the changed destinations their new settings, start the added ones, end the removed ones.

        What is in flight first ends with the old settings. Until then the old runner stays listed. No destination waits for
        another one. To be called with `changing` held.

        Raises:
            StoreError: a destination could not start. That is a fault of the supervisor, too.
            CommandRefused: all of them have been told to end meanwhile.
        """
        self._store.claims.keep_for({*self.runners, *wanted})  # from before their places are read
        self._isolation.end((*changed, *removed))
        exchanges = [self._replace(name, wanted.get(name)) for name in (*changed, *added, *removed)]
        results = await asyncio.gather(*exchanges, return_exceptions=True)
        for error in results:
            if isinstance(error, BaseException):
                raise error
        if self._is_ending:  # meanwhile, so that not all of them are there
            raise CommandRefused("stopping", "the daemon is stopping")
        self._list({name: self.runners[name] for name in wanted})  # in the order of config.toml
        for name, runner in self.runners.items():  # also where pip alone has changed something
            runner.needs_restart = wanted[name].needs_restart
        self._store.claims.keep_for(wanted)
        await self._report_removed()
        results.clear()
        gc.collect()  # former workers are large and full of cycles, and the oldest generation is hardly ever looked at

    async def end_all(self, end: Callable[[DestinationRunner], None]) -> None:
        """End every destination in this way, also those that are being exchanged."""
        self._is_ending = True
        self._listed.set()
        self._end_those_there(end)
        async with self.changing:
            self._end_those_there(end)  # also what the exchange has started
        await ended(self._tasks.values())

    @property
    def isolated(self) -> Mapping[str, str]:
        """Destinations whose hooks held the loop, and why each has a thread now."""
        return self._isolation.why

    def in_flight(self) -> dict[str, int]:
        """Requests on their way, of each destination that has any."""
        return {runner.destination.name: runner.in_flight for runner in self._tasks if runner.in_flight}

    def unmark(self, name: str) -> None:
        """At the next start its hooks run in the loop of all again."""
        self._isolation.unmark([name])

    async def drop(self, name: str) -> dict[str, int]:
        """Drop all that is kept of a destination that is not configured. Raises CommandRefused."""
        async with self.changing:
            if name in self.runners:
                raise CommandRefused("configured", f"{name} is configured: take it out of config.toml and reload first")
            if name not in await self._store.output_reports.left_over(list(self.runners)):
                raise CommandRefused("unknown_destination", f"nothing is kept of a destination {name!r}")
            return await self._store.claims.drop(name)

    async def forget_people(self, regulation: Regulation, done: set[str]) -> None:
        """Erase these people at every destination of which the store has a place, whether it runs or not. No destination is exchanged
        meanwhile. `done`: where that was done before; where it is done now is added. Raises CommandRefused where a hook holds one; the others
        are done then."""
        async with self.changing:
            names = sorted({*await self._store.queries.destinations(), *self.runners} - done)
            results = await asyncio.gather(
                *(self._forget_at(name, regulation, done) for name in names), return_exceptions=True
            )
            for result in results:
                if isinstance(result, BaseException):
                    raise result

    async def _forget_at(self, name: str, regulation: Regulation, done: set[str]) -> None:
        runner, shares = self.runners.get(name), await self._store.claims.shares(name)
        if runner is None or len(shares) not in (0, len(runner.shards)):
            await self._forget_by_shards(name, shares, regulation)
        else:
            await runner.forget(regulation)
        if len(await self._store.claims.shares(name)) != len(shares):
            raise CommandRefused("busy", f"{name} has another number of shards by now")
        done.add(name)

    def forget_messages(self) -> None:
        """Name none of the messages any more whose hooks were slow or held the loop. Raises OSError."""
        self._isolation.forget_messages()
        for runner in self.runners.values():
            runner.destination.watch.forget_messages()

    async def _forget_by_shards(self, name: str, shares: Iterable[Share], regulation: Regulation) -> None:
        """Nothing of it runs here, or it has another number of shards than this node has configured; at another node it may run."""
        for share in shares:
            try:
                await self._store.erasure.erase_at(name, regulation.id, share)
            except CommandRefused as error:
                if self._commands is None or error.code != "elsewhere":
                    raise
                await self._commands.ask(Unit(PART, name, share.shard), Forget(regulation.id))

    async def _replace(self, name: str, destination: Destination | None) -> None:
        """End the destination of this name, if it runs; then start it with its new settings, if it is still configured."""
        former = self.runners.get(name)
        if former is not None:
            await self._end(former)
        if destination is None or self._is_ending:
            self._list({other: runner for other, runner in self.runners.items() if other != name})
            return
        try:
            await self._start(destination, former)
        except Exception as error:
            self._fail(name, str(error))
            raise

    async def _start(self, destination: Destination, former: DestinationRunner | None = None) -> None:
        name = destination.name
        runner = self._make_runner(destination)
        if former is not None:
            runner.keep_rate(former.rate)
            runner.probe_at_once()
        await runner.open()  # before anything more is accepted
        self._tasks[runner] = asyncio.create_task(runner.run(), name=f"destination-{name}")
        self._tasks[runner].add_done_callback(lambda task: self._on_end(runner, task))
        self._list({**self.runners, name: runner})

    def _make_runner(self, destination: Destination) -> DestinationRunner:
        if (shards := destination.config.delivery.shards) == 1:
            return self._commanded(self._make_own_runner(destination))
        runners = [self._make_shard(destination, Share(shard, shards)) for shard in range(shards)]
        hold_all_back(destination, runners, self._log)
        return ShardedRunner(destination, [self._commanded(one) for one in runners])

    def _make_shard(self, destination: Destination, share: Share) -> Runner:
        """Its hooks run in the loop of all, whatever they do: where they hold it, it is paused."""
        meter, own = self._metrics.meter(destination.name), shard_of(destination, share)
        runner = Runner(own, self._store, self._clock, self._log, Random(), meter)
        runner.judge_by(self._plans)
        runner.trace_by(self._tracing)
        runner.pause_while(lambda: self._isolation.paused.get(destination.name, ""))
        return runner

    def _commanded(self, runner: ShardRunner) -> ShardRunner:
        if self._commands is None:
            return runner
        unmark = partial(self.unmark, runner.destination.name)
        return CommandedRunner(runner, self._commands, unmark, self._store.claims.shares)

    def _make_own_runner(self, destination: Destination) -> ShardRunner:
        name, meter = destination.name, self._metrics.meter(destination.name)
        if destination.config.delivery.isolation == "thread" or name in self._isolation.why:
            store = StoreFromThread(self._store, asyncio.get_running_loop())
            waiting = Waiting(destination, self._store.queries, self._clock, self._log)
            alone = Runner(destination, store, self._clock, self._log, Random(), meter)
            alone.judge_by(self._plans)
            alone.trace_by(self._tracing)
            return ThreadRunner(alone, store, waiting, self._log, self._loops)

        def move(slow: Slow) -> None:
            if name not in self._moves:
                task = self._moves[name] = asyncio.create_task(self._isolate(name, slow), name=f"isolate-{name}")
                task.add_done_callback(lambda task: self._on_moved(name, task))

        runner = Runner(destination, self._store, self._clock, self._log, Random(), meter)
        runner.judge_by(self._plans)
        runner.trace_by(self._tracing)
        runner.when_slow(move)
        return runner

    def _on_moved(self, name: str, task: asyncio.Task[None]) -> None:
        self._moves.pop(name, None)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._log.emit("internal_error", reason="isolate", exc_info=error)

    async def _isolate(self, name: str, slow: Slow) -> None:
        """Give a destination whose hooks hold the loop a thread of its own, until a reload changes it."""
        async with self.changing:
            runner = self.runners.get(name)
            if runner is None or name in self._isolation.why or self._is_ending:
                return
            destination = await self._isolation.of_slow(runner.destination, slow)
            if destination is None:
                return
            await self._replace(name, destination)
            gc.collect()  # as after an exchange

    def _list(self, runners: Mapping[str, DestinationRunner]) -> None:
        """These are the destinations from now on."""
        self.runners = runners
        self._listed.set()
        self._listed = asyncio.Event()

    async def is_exchanged(self, name: str, former: DestinationRunner) -> bool:
        """Wait until another runner has taken the place of this one. False: none does in time, or the daemon ends."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(EXCHANGE_S):
                while self.runners.get(name) is former and not self._is_ending:
                    await self._listed.wait()
        return self.runners.get(name) not in (None, former)

    async def _end(self, runner: DestinationRunner) -> None:
        """Let what is in flight end with its settings. A store that fails meanwhile ends the daemon; that is watched elsewhere."""
        self._ending.add(runner)
        runner.stop()
        await ended([self._tasks[runner]] if runner in self._tasks else [])

    def _end_those_there(self, end: Callable[[DestinationRunner], None]) -> None:
        for runner in self._tasks:
            self._ending.add(runner)
            end(runner)

    def _on_end(self, runner: DestinationRunner, task: asyncio.Task[None]) -> None:
        del self._tasks[runner]
        error = None if task.cancelled() else task.exception()
        if runner in self._ending:
            self._ending.remove(runner)
        else:
            if error is not None and not self._store.health.broken:
                words = runner.destination.redact("".join(traceback.format_exception(error)))
                self._log.emit("internal_error", destination=runner.destination.name, reason="ended", detail=words)
            self._fail(runner.destination.name, "cancelled" if task.cancelled() else str(error))

    def _fail(self, name: str, reason: str) -> None:
        self.fault = self.fault or f"destination {name} ended: {reason}"
        self.failed.set()

    async def _report_removed(self) -> None:
        """Tell which destinations are no longer configured. What they hold and their dead letters are kept; they keep the log
        for `store.retention` only."""
        for name, kept in (await self._store.output_reports.left_over(list(self.runners))).items():
            words = "kept until it is back or dropped; queued events only for store.retention"
            paste = to_paste(f"destinations drop {name}")
            self._log.emit("destination_removed", destination=name, **kept, detail=words, paste=paste)


def hold_all_back(destination: Destination, shards: Sequence[Runner], log: Log) -> None:
    """Shards have one plugin, and one watch over its hooks: where these hold the loop, all shards that are here are paused."""

    def pause(slow: Slow) -> None:
        for one in shards:
            one.hooks_are_slow(slow)

    destination.watch.attach(log.bind(destination=destination.name, plugin=destination.plugin_name).emit, pause)


async def ended(tasks: Iterable[asyncio.Future[Any]], within_s: float | None = None) -> None:
    """Wait until all of these have ended, with a result or with an error."""
    if waiting := list(tasks):
        await asyncio.wait(waiting, timeout=within_s)
