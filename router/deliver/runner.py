"""Keeps one destination running: opens it from the store, starts its worker again if a step of it failed, pauses it if that
happens again. Acceptance and all other destinations go on meanwhile."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import traceback
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from functools import partial
from random import Random
from typing import Any

from router.clock import Clock, to_iso
from router.deliver import operations
from router.deliver.commands import TICKET, Changed, Command, Ticket, reached
from router.deliver.commands import ReplayOrder as ReplayOrder
from router.deliver.context import DeliveryContext
from router.deliver.jobs import deletions
from router.deliver.jobs.held_report import Waiting
from router.deliver.jobs.replay import describe_replay
from router.deliver.send.circuit_breaker import HOOK_HELD
from router.deliver.send.http_client import Client, open_client
from router.deliver.send.rate_limit import RateLimit
from router.deliver.settle.last_exchanges import LastExchanges
from router.deliver.worker import FULL_PAUSE_S, Worker
from router.errors import ClaimLost, CommitFailed, StoreError, StoreFull
from router.judge import SourcePlans
from router.logger import Log, to_paste
from router.metrics import Meter
from router.plugin_host import Destination
from router.plugin_host.hook_watch import Slow
from router.plugin_host.lifetime import Lifetime, LifetimeFault
from router.store import PART, Claim, DeadLetterFilter, Opening, Regulation, Status, Store, Tool, Unit
from router.tracing import Tracing
from router.vocabulary import FOREVER_MS, DestinationState

LIFETIME_PAUSE_S = 60.0
DROP_PAUSE_S = 0.01
"""Between two slices of dead letters, while the commit that drops the last one is on its way."""
ASKED_AT_ONCE = 100
"""Deletions that are parked between two steps of the worker."""
STORED_S = 5.0
"""So long the answer to a command waits for its commit. On a full disk it is in force, and stored when there is room."""
FAULT_PAUSE_S = 1.0
"""Before a worker starts again after a second failure."""
CALM_S = 60.0
"""A worker that failed and failed again within this time pauses its destination."""


Answer = Callable[[Any], tuple[Any, bool]]


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
        self.needs_restart = destination.needs_restart  #: as the last reload found it
        self._store, self._clock = store, clock
        self._log = log.bind(destination=destination.name)
        self._random, self._meter = random, meter or Meter()
        self.waiting = Waiting(destination, store.queries, clock, self._log)
        self._worker: Worker | None = None
        self._fault = ""  #: why the next worker starts paused
        self._stopping = False
        self._broken = ""  #: why its plugin cannot begin
        self._claim: Claim | None = None  #: of the next worker
        self._has_changed = False  #: since the last worker: a key or set-up that was refused may be right now
        self._serving = asyncio.Lock()  #: held by the worker in charge, or by what must be done between two of them
        self._waiting_to_serve = 0  #: works that wait for the worker in charge to end
        self._wanted_alone = asyncio.Event()  #: set while there are any
        self._is_elsewhere = False  #: another node has the destination
        self._is_alone = False  #: its loop is its own
        self._plans = SourcePlans()
        self._tracing: Tracing | None = None
        rate = destination.config.delivery.rate
        self.rate = RateLimit(rate, clock) if rate else None  #: of all its workers together
        self._on_slow: Callable[[Slow], None] = lambda slow: None
        destination.watch.attach(self._log.bind(plugin=destination.plugin_name).emit, self._hooks_are_slow)
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

    async def open(self) -> None:
        """Take the destination's place in the log: what is accepted from here on is its own. Before `run`, or in it.

        On a full disk that waits until there is room: no event is accepted by then either. Where another node has the destination, its
        place is taken already.
        """
        if self._claim is not None:
            return
        try:
            self._claim = await self._store.claims.open_now(self._unit, self._opening())
        except StoreFull:
            return
        if self._claim is not None:
            self._tell_opened(self._claim)

    def _tell_opened(self, claim: Claim) -> None:
        cursor = claim.cursor
        if cursor.added and cursor.start:
            words = "starts at the head of the log; earlier events are not sent, unless you replay them"
            paste = to_paste(f"replay {self.destination.name} --since 7d")
            self._log.emit("destination_added", cursor=cursor.start, detail=words, paste=paste)
        if cursor.beyond:
            self._log.emit("cursor_repaired", events=cursor.beyond)
        if cursor.abandoned:
            words = "it was removed for longer than store.retention; what it had not read by then is lost to it"
            self._log.emit("events_abandoned", events=cursor.abandoned, detail=words)
        if cursor.taken_from:
            self._log.emit("destination_taken_over", node=cursor.taken_from)

    def _open_client(self) -> AbstractAsyncContextManager[Client]:
        """The destination's own connections."""
        return open_client(self.destination.config.delivery)

    @property
    def _unit(self) -> Unit:
        return Unit(PART, self.destination.name)

    def _opening(self) -> Opening:
        config = self.destination.config
        now_ms, timeout_s = self._clock.now_ms(), config.delivery.timeout_s
        return Opening(now_ms, config.mode, config.enabled, self.destination.gate, timeout_s)

    async def _claim_when_there_is_room(self, lifetime: Lifetime) -> Claim | None:
        """None: it is to stop, or somebody must have the destination without a worker, or its lifetime has ended and the disk is full still."""
        claim, self._claim = self._claim, None
        if claim is not None and not claim.lost.is_set():
            return claim
        while not self._stopping and not lifetime.has_ended and not self._waiting_to_serve:
            try:
                return await self._claim_or_stop()
            except StoreFull:
                await self._wait_for_stop(FULL_PAUSE_S)
        return None

    async def _claim_or_stop(self) -> Claim | None:
        """The claim, when this process may have the destination. None: it is to stop before, or somebody must have it without a worker."""
        self._is_elsewhere = True
        granted = asyncio.ensure_future(self._store.claims.open(self._unit, self._opening()))
        ends = [asyncio.ensure_future(event.wait()) for event in (self._stopped, self._wanted_alone)]
        try:
            await asyncio.wait({granted, *ends}, return_when=asyncio.FIRST_COMPLETED)
            if not granted.done():
                return None
            self._tell_opened(granted.result())
            return granted.result()
        finally:
            self._is_elsewhere = False
            for one in (granted, *ends):
                one.cancel()

    async def run(self) -> None:
        """Serve the destination until `stop`. Raises StoreError when the store itself is at fault."""
        self.destination.watch.thread_id = threading.get_ident()
        await self.open()
        async with self._open_client() as client, self.waiting.watched():
            while not self._stopping:
                if not await self._live(client):
                    await self._let_go(to_others=True)
                    await self._wait_for_stop(LIFETIME_PAUSE_S)
        await self._let_go(to_others=False)

    async def _let_go(self, *, to_others: bool) -> None:
        """Nobody serves what was claimed for the next worker: others may."""
        claim, self._claim = self._claim, None
        if claim is not None:
            await claim.give_back(to_others=to_others)

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

    def _hooks_are_slow(self, slow: Slow) -> None:
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

    # ------------------------------------------------------------ what operators ask

    async def opened(self) -> None:
        """Return once a worker is in charge."""
        await self._opened.wait()

    async def worker(self) -> Worker:
        """The worker in charge, once it is open."""
        if self._broken:
            raise operations.CommandRefused("not_open", self._broken)
        if self._is_elsewhere and (holder := await self._store.claims.holder(self._unit)):
            raise operations.CommandRefused("elsewhere", f"node {holder} delivers to it: ask that one")
        await self._opened.wait()
        if self._worker is None or self._stopping:
            raise operations.CommandRefused("stopping", "the destination is stopping")
        return self._worker

    async def carry_out(self, command: Command, ticket: Ticket | None = None) -> Any:
        """What `command` says. `ticket`: its answer is stored with its effect."""
        before = TICKET.set(ticket)
        try:
            return await command.of(self)
        finally:
            TICKET.reset(before)

    async def regulation(self, regulation_id: str) -> Regulation:
        """The regulation of this id. Nobody here reads the events of its people from here on."""
        return await self._store.people.heed(regulation_id)

    async def _ask(
        self,
        worker: Worker,
        command: Callable[[], Awaitable[Any]],
        answer: Answer | None = None,
    ) -> Any:
        """Have a command carried out, and what it changed stored. `answer`: what its answer is by now, and whether that is all of it;
        None: it is a part of one that has no answer before its end. Raises CommandRefused where the worker ends before."""
        if (ticket := TICKET.get()) is not None and answer is not None:
            command = partial(_with_answer, worker, ticket, command, answer)
        found, _ = await self._ask_and_store(worker, command)
        return found

    async def _ask_and_store(self, worker: Worker, command: Callable[[], Awaitable[Any]]) -> tuple[Any, bool]:
        """The same, and whether all that the worker had booked by then is stored."""
        try:
            answer = await worker.ask(command)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(STORED_S):
                    await worker.booked_is_stored()
                return answer, True
            return answer, False
        except asyncio.CancelledError:
            if is_cancelled():
                raise
            raise operations.CommandRefused("stopping", "the destination ends or begins anew: ask once more") from None

    async def pause(self, words: str = "") -> Changed:
        """Send nothing until `resume`. `words`: why; they are kept and shown."""
        worker = await self.worker()

        async def command() -> Changed:
            was = self.status
            worker.core.status.record(worker.state.breaker.pause_by_hand(words))
            return Changed(was, self.status)

        changed: Changed = await self._ask(worker, command, _whole)
        return changed

    async def resume(self) -> Changed:
        """Run, whatever it was paused for. What waits for a retry is tried at once."""
        worker = await self.worker()

        async def command() -> Changed:
            was = self.status
            worker.core.status.record(worker.state.breaker.resume())
            worker.core.releases.try_all_now()
            return Changed(was, self.status)

        changed: Changed = await self._ask(worker, command, _whole)
        return changed

    async def release(self, key: str, group: Mapping[str, Any] | None) -> int:
        """See `operations.release`."""
        worker = await self.worker()
        released: int = await self._ask(worker, lambda: operations.release(worker, key, group), _whole)
        return released

    async def drop(self, key: str, shown: operations.Shown | None = None) -> int:
        """See `operations.drop`."""
        worker = await self.worker()
        dropped, after = reached() or (0, operations.FIRST)
        while after is not None:
            command = partial(operations.drop, worker, key, shown, after)
            n, after = await self._ask(worker, command, _so_far(dropped))
            dropped += n
            await self._room(worker)
        return int(dropped)

    async def replay(self, order: ReplayOrder) -> dict[str, Any]:
        """See `operations.replay_letters`, `replay_span`, `replay_one`."""
        worker = await self.worker()

        async def command() -> dict[str, Any]:
            found = await self._replay(worker, order)
            return found if order.count_only or order.pos is not None else {**found, **worker.core.replay.describe()}

        answer: dict[str, Any] = await self._ask(worker, command, _whole)
        return answer

    @staticmethod
    async def _replay(worker: Worker, order: ReplayOrder) -> dict[str, Any]:
        if order.pos is not None:
            return await operations.replay_one(worker, order.pos, count_only=order.count_only)
        if order.letters is not None:
            return await operations.replay_letters(worker, order.letters, count_only=order.count_only)
        return await operations.replay_span(worker, order.since_ms, order.until_ms, count_only=order.count_only)

    async def stop_replay(self) -> dict[str, Any]:
        """Feed nothing more. Returns what `describe_replay` does."""
        worker = await self.worker()

        async def command() -> dict[str, Any]:
            worker.core.replay.stop()
            return worker.core.replay.describe()

        told: dict[str, Any] = await self._ask(worker, command, _whole)
        return told

    async def describe_replay(self) -> dict[str, Any]:
        """The newest replay, and how far it is; at another node as of its last commit."""
        if self._is_elsewhere:
            newest = await self._store.output_reports.newest_replay(self.destination.name)
            return describe_replay(newest, self._clock.now_ms())
        return (await self.worker()).core.replay.describe()

    async def drop_letters(self, which: DeadLetterFilter, pos: int | None = None) -> int:
        """Drop dead letters of this kind, or the one at a position. Returns how many."""
        worker = await self.worker()
        if pos is not None:
            dropped = int(await self._ask(worker, lambda: operations.drop_letter(worker, pos), _whole))
        else:
            dropped, after = reached() or (0, -FOREVER_MS)
            while after is not None:
                command = partial(operations.drop_letters, worker, which, after)
                n, after = await self._ask(worker, command, _so_far(dropped))
                dropped += n
                await self._room(worker)
        if dropped:
            self._log.emit("letters_dropped", letters=dropped, reason="by_hand")
        return int(dropped)

    async def _room(self, worker: Worker) -> None:
        """Return when the next commit has room. Raises CommandRefused where the worker ends before."""
        while worker.state.work.is_full:
            if worker.has_ended:
                raise operations.CommandRefused("stopping", "the destination ends or begins anew: ask once more")
            await self._clock.sleep(DROP_PAUSE_S)

    async def forget(self, regulation: Regulation) -> None:
        """Erase these people or groups here. A worker that has anything of theirs ends first, and what it has on its way is waited for; the next
        one begins from what is left in the store."""
        erasure, name = self._store.erasure, self.destination.name
        if await self._has_of(regulation) or await erasure.touches(name, regulation):
            await self._between_workers(partial(erasure.erase_at, name, regulation.id))
        elif self._worker is not None:
            operations.end_forgetting(self._worker, regulation)

    async def forget_answers(self, regulation: Regulation) -> None:
        """What the vendor answered to a deletion is not shown any more. The worker stays: its events were erased before."""
        if self._broken:
            await self.forget(regulation)
        else:
            worker = await self.worker()
            await self._ask(worker, partial(operations.forget_answers, worker, regulation))

    async def ask_to_delete(self, regulation: Regulation) -> Tool:
        """Have the vendor delete these people or groups: their deletions are stored when this returns. Raises CommandRefused."""
        worker = await self.worker()
        if (refused := deletions.unsupported(worker, regulation)) is not None:
            return refused
        subjects = deletions.subjects_of(regulation)
        rows: list[int] = []
        words = ""

        def so_far(found: tuple[list[int], str, int]) -> tuple[Tool, bool]:
            asked, fault, n = found
            return _asked(rows + asked, _fault_words(fault) or words), n == len(subjects)

        while subjects:
            command = partial(deletions.ask, worker, regulation.id, subjects[:ASKED_AT_ONCE])
            asked, fault, n = await self._ask(worker, command, so_far)
            subjects = subjects[n:]
            rows += asked
            words = _fault_words(fault) or words
            await self._room(worker)
        return _asked(rows, words)

    async def drop_deletions(self, positions: Sequence[int]) -> None:
        """Take back what the vendor was asked to delete."""
        await self._between_workers(partial(self._store.erasure.drop_deletions, self.destination.name, positions))

    async def _has_of(self, regulation: Regulation) -> bool:
        worker = self._worker
        if worker is None or worker.has_ended:
            return True
        try:
            found, is_stored = await self._ask_and_store(worker, lambda: operations.begin_to_forget(worker, regulation))
        except operations.CommandRefused:  # another worker begins
            return True
        return found or not is_stored  # a letter that is not stored yet is not found in the store

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
                self._claim = None  # its cursor may be read anew
                await work()
        finally:
            self._waiting_to_serve -= 1
            if not self._waiting_to_serve:
                self._wanted_alone.clear()

    async def describe_waiting(self) -> dict[str, dict[str, float]]:
        """What its held events wait for, in numbers."""
        return await self.waiting.describe()

    @property
    def status(self) -> Status:
        """Whether it runs, and if not, why and since when."""
        if not self.destination.config.enabled:
            return Status("disabled")
        if self._broken:
            return Status("paused", "internal", detail=self._broken)
        if self._is_elsewhere and (status := self._store.claims.status(self._unit)) is not None:
            return status
        return self._worker.state.breaker.status if self._worker is not None else Status()

    def held_by(self, hook: str, message_id: str, seconds: float) -> Status:
        """Its state while a hook holds its own thread: nothing is sent, and no command is carried out."""
        named = f" with {message_id}" if message_id else ""
        words = f"plugin {self.destination.plugin_name}: hook {hook}{named} has not returned for {seconds:.0f} s"
        since = self._clock.now_ms() - int(1000 * seconds)
        return Status(DestinationState.PAUSED, HOOK_HELD, since, detail=self.destination.redact(words))

    @property
    def warnings(self) -> Mapping[str, int]:
        """What the plugin warned of since its worker began, counted."""
        return dict(self._worker.core.warnings.counts) if self._worker is not None else {}

    @property
    def last_exchanges(self) -> dict[str, Any]:
        """See `LastExchanges.describe`."""
        return (self._worker.core.responses.exchanges if self._worker is not None else LastExchanges()).describe()

    def describe(self) -> dict[str, Any]:
        """For `/api/destinations`: what is configured and how it is."""
        d, status = self.destination, self.status
        return {
            "name": d.name,
            "plugin": d.plugin_name,
            "plugin_version": d.plugin_version,
            "restart_required": self.needs_restart,
            "mode": d.config.mode,
            "enabled": d.config.enabled,
            "sources": list(d.config.sources),
            **state_of(status),
            "in_flight": self.in_flight,
            "mapped": self._worker.core.mapper.mapped if self._worker else 0,
            "warnings": self.warnings,
            "isolation": "thread" if self._is_alone else "loop",
            "slow_hooks": d.watch.describe(),
        }


async def _with_answer(
    worker: Worker,
    ticket: Ticket,
    command: Callable[[], Awaitable[Any]],
    answer: Answer,
) -> Any:
    """In the worker's loop: the effect of a command and its answer are booked in one turn, so one commit has both."""
    if worker.context.claim.epoch != ticket.epoch:
        raise operations.CommandRefused("stopping", "it was taken by another owner, who may have carried it out")
    found = await command()
    worker.state.work.answer(ticket.id, *answer(found))
    ticket.is_booked = True
    return found


def _asked(rows: list[int], words: str) -> Tool:
    """How far a destination is that was asked for these deletions."""
    return Tool("RUNNING" if rows or not words else "FAILED", words, rows)


def _fault_words(fault: str) -> str:
    return f"its plugin could not make a deletion ({fault}): delete there by hand" if fault else ""


def _whole(found: Any) -> tuple[Any, bool]:
    """The answer of a command that is done at once."""
    return found, True


def _so_far(before: int) -> Answer:
    """The answer of a command that goes on behind a place: how many by now, and that place; in the end how many."""

    def answer(found: tuple[int, int | None]) -> tuple[Any, bool]:
        n, after = found
        return (before + n, True) if after is None else ((before + n, after), False)

    return answer


def state_of(status: Status) -> dict[str, Any]:
    """A destination's state as the admin API gives it."""
    return {
        "state": status.state,
        "state_reason": status.reason,
        "state_detail": status.detail,
        "state_since": to_iso(status.since) if status.since else None,
        "state_until": to_iso(status.until) if status.until else None,
    }


def is_cancelled() -> bool:
    """Whether somebody has cancelled this task. A TaskGroup of which a task fails in the same moment raises that only."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
