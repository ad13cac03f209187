"""The daemon: enters every lifetime bottom-up on one exit stack, waits for a stop, drains, and leaves the stack in reverse.

Leaving the stack cuts whatever is still in flight, commits what is known, and closes the store.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from random import Random

from router import __version__, runtime_file
from router.accept import Acceptor
from router.admin.answers import Answers
from router.admin.app import make_admin_app
from router.backup import last_backup
from router.backup.restore import remove_interrupted
from router.clock import Clock, SystemClock
from router.config import Config
from router.console.app import add_console
from router.daemon.answering import AnsweringDaemon
from router.daemon.clock_jumps import ClockJumps
from router.daemon.cluster_watch import ClusterWatch
from router.daemon.commands import SharedCommands
from router.daemon.counting import Counting
from router.daemon.cursor_watch import CursorWatch
from router.daemon.disk_looks import DiskLooks
from router.daemon.disk_watch import DiskWatch
from router.daemon.forgetting import Forgetting
from router.daemon.gist import gist
from router.daemon.greeting import greeting
from router.daemon.held_marks import HeldMarks
from router.daemon.hook_alarm import HookAlarm
from router.daemon.isolation import Isolation
from router.daemon.listeners import listening
from router.daemon.loop_watch import LoopWatch
from router.daemon.opening import open_store
from router.daemon.passed_sockets import Passed
from router.daemon.progress import PiecesOfWork
from router.daemon.reload import Reload
from router.daemon.service_manager import ServiceManager
from router.daemon.shutdown import Shutdown
from router.daemon.signal_reloads import SignalReloads
from router.daemon.signal_watch import SignalWatch
from router.daemon.signals import OURS, handle_signals
from router.daemon.supervisor import CUT_S, Supervisor
from router.event import Call
from router.ingest import limits
from router.ingest.aiohttp_server import LISTENER, IngestRunner, Listener, make_runner
from router.ingest.routes import make_app
from router.ingest.write_key import Sources
from router.input_warnings import InputWarnings
from router.judge import Forwarder, Judge, SourcePlans, ViolationReport
from router.logger import Log, to_paste
from router.metrics import Metrics
from router.notify.notifier import Notifier
from router.notify.sight import Sight
from router.plugin_host import Destination
from router.plugin_host.plugin_threads import PluginThreads
from router.privacy import privacy_of_sources
from router.source_activity import SourceActivity
from router.store import Listening
from router.tracing.opening import open_tracing

NEWEST = 10_000
"""Stored events from which it learns how often each source sends: 20 ms."""


class Daemon(AnsweringDaemon):
    """One process: a store, two listeners, a runner per destination."""

    def __init__(
        self,
        path: Path,
        config: Config,
        destinations: Sequence[Destination],
        log: Log,
        service: ServiceManager,
        passed: Passed,
    ) -> None:
        self._path = path
        self._destinations = destinations
        self._log = log
        self._service, self._passed = service, passed
        self._sources, self._plans = Sources(config.sources, privacy_of_sources(config)), SourcePlans()
        self._plans.replace(config)
        self._jumps = ClockJumps()
        self.plugin_threads = PluginThreads()
        self._reload = Reload(path, config, self._sources, self._plans, self.plugin_threads, log)
        self._shutdown = Shutdown(log)
        self._backups = last_backup.Known(config.store.path)
        self._started = asyncio.Event()
        reload = partial(self.reload, is_confirmed=False, via="signal")
        self._signal_reloads = SignalReloads(reload, service.reloading, log)

    async def serve(self) -> int:
        """Run until a signal or a fault of the store; returns the exit code."""
        log = self._log
        marks = HeldMarks(self._reload.config.store.path)
        alarm = HookAlarm(marks, log)
        handle_signals(self._shutdown.request, alarm.hurry, self._signal_reloads.ask)
        self._report_start()
        self.listens = ""
        async with AsyncExitStack() as stack:
            await self._enter_store(stack)
            await self._enter_destinations(stack, marks, alarm)
            await self._enter_watches(stack)
            ingest = await self._enter_listeners(stack)
            failed = await self._shutdown.wait(self.store.health, self._supervisor)
            log.emit("daemon_stopping", reason=failed or self._shutdown.reason)
            self._service.stopping(failed or self._shutdown.reason)
            if not failed:
                await self._shutdown.drain(ingest, self._supervisor)
        if self.store.health.broken and not failed:
            log.emit("store_failed", detail=self.store.health.broken)
        log.emit("daemon_stopped")
        return 1 if failed or self.store.health.broken else 0

    # ------------------------------------------------------------ the lifetimes, in their order

    async def _enter_store(self, stack: AsyncExitStack) -> None:
        log, config = self._log, self._reload.config
        await stack.enter_async_context(self._service.running())
        self._tracing = await stack.enter_async_context(open_tracing(config, log, Random()))
        opening = open_store(config.store, config.cluster, self._make_clock, log)
        self.store, self._clock = await stack.enter_async_context(opening)
        if self.store.repaired:
            log.emit("store_repaired", detail=self.store.repaired)
        for problem in self.store.health.problems():
            log.emit("store_warned", code=problem.code, detail=problem.words)
        await stack.enter_async_context(SignalWatch(OURS, self._clock, log).watched())
        self._reload.begin(self._clock.now_ms)
        if not config.store.is_database:
            remove_interrupted(config.store.path)
        if not config.consent.follow:
            await self.store.claims.drop_preferences()
        self.started_ms = self._clock.now_ms()

    async def _enter_destinations(self, stack: AsyncExitStack, marks: HeldMarks, alarm: HookAlarm) -> None:
        log, store, clock = self._log, self.store, self._clock
        self._activity = SourceActivity(clock.now_ms)
        self._activity.seed(await store.lookups.newest_of_sources(NEWEST))
        self.metrics = Metrics(InputWarnings(clock.now_ms, log.emit))
        self._loops = LoopWatch(lambda: [runner.destination for runner in self.runners.values()], log, alarm)
        isolation = Isolation(marks, self.plugin_threads, log)
        self._supervisor = Supervisor(store, clock, log, self.metrics, isolation, self._loops)
        stack.enter_context(self._loops.watched())
        self._supervisor.judge_by(self._plans)
        self._supervisor.trace_by(self._tracing)
        self._commands = self._made_commands()
        self._counting = Counting(store, self.metrics, clock, log, self._counted)
        await stack.enter_async_context(self._counting.running())
        self._forgetting = Forgetting(store, self._supervisor, clock, log)
        await self._forgetting.resume()
        await self._bring(self.config, self._destinations, by_hand=False)
        running = self._supervisor.running(self._destinations, self._shutdown.requested.set)
        await stack.enter_async_context(running)
        if self._commands is not None:
            await stack.enter_async_context(self._commands.running())
            await stack.enter_async_context(ClusterWatch(store.health, clock, log).watched())
        await stack.enter_async_context(self._forgetting.running())

    async def _enter_watches(self, stack: AsyncExitStack) -> None:
        log, store, clock = self._log, self.store, self._clock
        await stack.enter_async_context(DiskLooks(store.health, self._backups, clock, log).watched())
        self._disk = DiskWatch(store, clock, log, lambda: list(self.runners))
        await stack.enter_async_context(self._disk.watched())
        self._cursors = CursorWatch(store, clock, log, lambda: list(self.runners))
        await stack.enter_async_context(self._cursors.watched())
        notifier = Notifier(self, Sight(self).look, store.notices, clock, log)
        await stack.enter_async_context(notifier.running())

    async def _enter_listeners(self, stack: AsyncExitStack) -> IngestRunner:
        """Whoever asks is answered from here on. Gives the listener of events, which a stop drains."""
        config, ingest, admin = self._reload.config, self._ingest(), self._admin()
        listens = listening(ingest, config.server.listen, "server", self._passed.get("ingest", ()))
        ingest_url = await stack.enter_async_context(listens)
        listens = listening(admin, config.admin.listen, "admin", self._passed.get("admin", ()))
        admin_url = await stack.enter_async_context(listens)
        stack.enter_context(runtime_file.announced(config.store.path, ingest_url, admin_url))
        self.listens = ingest_url
        if self.store.cluster is not None:
            self.store.cluster.listen(Listening(ingest_url, admin_url))
        self._started.set()
        await stack.enter_async_context(self._signal_reloads.running())
        if not self.is_stopping:
            self._report_ready(ingest_url, admin_url)
        return ingest

    # ------------------------------------------------------------ the parts

    def _make_clock(self, mark: int, wall_ns: Callable[[], int] = time.time_ns) -> Clock:
        return SystemClock(mark, self._clock_jumped, wall_ns=wall_ns)

    def _made_commands(self) -> SharedCommands | None:
        """None: no other process uses the store."""
        if self.store.commands is None:
            return None
        commands = SharedCommands(self.store.commands, lambda: self.runners, self._reload_here, self._clock, self._log)
        self._supervisor.command_by(commands)
        return commands

    def _clock_jumped(self, seconds: float) -> None:
        self._log.emit("clock_jumped", seconds=round(seconds, 3))
        self._jumps.clock_jumped(seconds)

    def _ingest(self) -> IngestRunner:
        server = self._reload.config.server
        app = make_app(
            Acceptor(
                self.store.log,
                self.store.people.suppressions,
                self._log,
                self._judge(),
                follow=self._needed_categories if self._reload.config.consent.follow else None,
                note=self._note_request,
            ),
            self._sources,
            self._clock,
            trusted_proxies=server.trusted_proxies,
            public_url=server.public_url,
            metrics=self.metrics,
            tracing=self._tracing,
        )
        return make_runner(app)

    def _note_request(self, source: str, accepted: int, discarded: int, repeated: Sequence[Call]) -> None:
        self._activity.note(source, accepted, discarded)
        for call in repeated:
            self.metrics.duplicates.add(call.source, call.message_id, call.type, call.received_at)

    def _needed_categories(self) -> frozenset[str]:
        return self._reload.config.consent_categories

    def _judge(self) -> Judge:
        now_ms, metrics = self._clock.now_ms, self.metrics
        forwarder = Forwarder(now_ms, metrics.forward_left_out)
        return Judge(self._plans, forwarder, ViolationReport(now_ms, self._log.emit, metrics.violation))

    def _admin(self) -> IngestRunner:
        admin = self._reload.config.admin
        store = str(self._reload.config.store.path)
        has_console = self._reload.config.console.enabled
        app = make_admin_app(self, admin.token, admin.listen.host, self._log, store, has_console=has_console)
        if has_console:
            add_console(app, self, admin.token, self._log, self._clock.sleep)
        app[LISTENER] = Listener("admin", limits.ADMIN, self.metrics)
        return make_runner(app, handle_signals=False, shutdown_timeout=CUT_S)

    def _report_start(self) -> None:
        config = self._reload.config
        self._log.emit(
            "daemon_started",
            version=__version__,
            config=str(self._path),
            store=config.store.shown,
            pid=os.getpid(),
        )
        for warning in config.warnings:
            self._log.emit(warning.event, where=warning.where, setting=warning.key, detail=warning.words)

    def _report_ready(self, ingest_url: str, admin_url: str) -> None:
        hint = to_paste("send track --user u1 --event Hello")
        self._log.emit("daemon_ready", listen=ingest_url, admin=admin_url, destinations=list(self.runners), paste=hint)
        self._service.ready(self._gist, PiecesOfWork(self.store.health, lambda: self.runners).stalled, self._log)
        if sys.stderr.isatty():
            self._log.flush()  # both may be the same terminal
            print(greeting(ingest_url, admin_url, hint, self._reload.config.destinations), file=sys.stderr)

    async def _gist(self) -> str:
        return gist(await Answers(self).ledger(), is_reload_refused=self.last_refused is not None)

    # ------------------------------------------------------------ what others log

    def redact(self, text: str) -> str:
        """The text without the secrets of any destination, those of the start included."""
        for destination in self._known_destinations():
            text = destination.redact(text)
        return text

    def own_packages(self) -> set[str]:
        """The packages of the router and of its plugins."""
        plugins = {type(destination.instance).__module__ for destination in self._known_destinations()}
        return {"router", *(module.partition(".")[0] for module in plugins)}

    def _known_destinations(self) -> Iterator[Destination]:
        yield from self._destinations
        if self._started.is_set():
            yield from (runner.destination for runner in self.runners.values())
