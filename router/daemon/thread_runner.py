"""A destination in a thread of its own, with an event loop of its own: however long its hooks take, nobody else waits."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable, Coroutine, Sequence
from functools import partial
from typing import Any, TypeVar

from router.daemon.event_loop import loop_factory, run_to_its_end
from router.daemon.loop_watch import LoopWatch
from router.daemon.runner_around import RunnerAround
from router.deliver.commands import ENDS_WORKER, Command, Ticket
from router.deliver.jobs.held_report import Waiting
from router.deliver.runner import Runner
from router.errors import CommandNotBegun, CommandRefused
from router.logger import Log
from router.plugin_host.interruption import Interruptible
from router.plugin_host.time_budgets import CLOSE_S
from router.store import Regulation, Status, Tool
from router.store.from_thread import StoreFromThread

T = TypeVar("T")

ASK_S = 30.0
"""So long an operator's command may wait for the thread."""

END_S = 5.0
"""So long the thread may take to end, beyond the time-out of its requests and what its lifetime may take. Then a hook hangs, and
the thread is left behind."""

CANCEL_S = 1.0
"""So long the thread may take when all its work has ended, or is cancelled."""


async def _nothing() -> None:
    """What a thread that goes round does at once."""


class ThreadRunner(RunnerAround[Runner]):
    """A `Runner` whose loop is another thread's. Each method hands on to the one of the same name there.

    Args:
        runner: with this store.
        waiting: for the loop that calls.
    """

    def __init__(self, runner: Runner, store: StoreFromThread, waiting: Waiting, log: Log, watch: LoopWatch) -> None:
        super().__init__(runner)
        destination = self.destination
        self._store, self._waiting, self._watch = store, waiting, watch
        self._log = log.bind(destination=destination.name)
        runner.live_alone()
        self._loop: asyncio.AbstractEventLoop = (loop_factory() or asyncio.new_event_loop)()
        self._home = asyncio.get_running_loop()
        self._ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._is_stopping = asyncio.Event()
        self._end_loop = asyncio.Event()  #: of the thread's loop
        self._life = Interruptible(self._live)
        threading.Thread(target=self._life, name=f"destination-{destination.name}", daemon=True).start()

    @property
    def shards(self) -> Sequence[ThreadRunner]:
        """See `Runner`."""
        return (self,)

    # ------------------------------------------------------------ the thread

    def _live(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._watch.add(self._loop, self.destination.name)
        try:
            run_to_its_end(self._loop, self._end_loop.wait(), self._log)
        finally:
            self._watch.remove(self._loop)
            left = asyncio.all_tasks(self._loop)
            for task in left:
                task.cancel()
            if left:
                self._loop.run_until_complete(asyncio.wait(left, timeout=CANCEL_S))
            self._loop.close()
            with contextlib.suppress(RuntimeError):  # the daemon has ended before
                self._home.call_soon_threadsafe(self._note_end)

    def _note_end(self) -> None:
        if not self._ended.done():
            self._ended.set_result(None)

    def _submit(self, work: Callable[[], Coroutine[Any, Any, T]]) -> asyncio.Future[T]:
        """Begin this in the thread."""
        coroutine = work()
        try:
            return asyncio.wrap_future(asyncio.run_coroutine_threadsafe(coroutine, self._loop))
        except RuntimeError:
            coroutine.close()
            raise CommandNotBegun from None

    async def _ask(self, work: Callable[[], Coroutine[Any, Any, T]], within_s: float | None = None) -> T:
        """Carry this out in the thread. Raises CommandRefused where it has ended, or is held by a hook before it begins; with
        `within_s` also where it is not done in that time."""
        has_turn = self._submit(_nothing)
        try:
            has_come = await self._has_come(has_turn, ASK_S)
        except CommandRefused:
            raise CommandNotBegun from None
        if not has_come:
            has_turn.cancel()
            raise CommandRefused("busy", f"its thread has not answered for {ASK_S:g} s: a hook of its plugin holds it")
        answer = self._submit(work)
        if not await self._has_come(answer, within_s):
            answer.cancel()
            raise CommandRefused("busy", f"not done within {within_s:g} s: a hook of its plugin may hold its thread")
        return answer.result()

    async def _has_come(self, answer: asyncio.Future[Any], within_s: float | None) -> bool:
        """Wait for an answer of the thread. Raises CommandRefused where the thread ends before."""
        either: set[asyncio.Future[Any]] = {answer, self._ended}
        await asyncio.wait(either, timeout=within_s, return_when=asyncio.FIRST_COMPLETED)
        if not answer.done() and self._ended.done():
            answer.cancel()
            raise CommandRefused("stopping", "the destination is stopping")
        return answer.done()

    # ------------------------------------------------------------ life

    async def open(self) -> None:
        """See `Runner`."""
        try:
            await self._submit(self._runner.open)
        except BaseException:
            self._tell_thread(self._end_loop.set)
            raise

    async def run(self) -> None:
        """Serve the destination until `stop`. Raises StoreError when the store itself is at fault."""
        running = self._submit(self._runner.run)
        stopping = asyncio.create_task(self._is_stopping.wait())
        try:
            either: set[asyncio.Future[Any]] = {running, stopping}
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
            await asyncio.wait({running}, timeout=self._patience_s)
        except asyncio.CancelledError:
            running.cancel()
            raise
        finally:
            stopping.cancel()
            self._tell_thread(self._end_loop.set)
            await asyncio.wait({self._ended}, timeout=CANCEL_S)
            if not self._ended.done():
                self._leave_behind()
        if running.done() and not running.cancelled():  # cancelled: its loop ended before it did
            running.result()

    @property
    def _patience_s(self) -> float:
        """How long a good plugin may take to end: its requests, the last commit, its lifetime."""
        lifetime_s = CLOSE_S if "lifetime" in self.destination.hooks else 0.0
        return self.destination.config.delivery.timeout_s + lifetime_s + END_S

    def _leave_behind(self) -> None:
        """A hook holds the thread. When it returns or is interrupted, it finds that nothing more is to be done."""
        self._runner.abandon()
        self._store.leave_behind()
        self._life.cut(self._home)
        self._ended.set_result(None)
        hook, message_id = self.destination.watch.running or ("", "")
        words = "its thread did not end: it is left behind, and what was in flight is tried again"
        plugin = self.destination.plugin_name
        self._log.emit("plugin_failed", plugin=plugin, hook=hook, message_id=message_id, detail=words)

    def stop(self) -> None:
        """See `Runner`."""
        self._is_stopping.set()
        self._tell_thread(self._runner.stop)

    def cut(self) -> None:
        """See `Runner`."""
        self._is_stopping.set()
        self._tell_thread(self._runner.cut)

    def _tell_thread(self, call: Callable[[], object]) -> None:
        with contextlib.suppress(RuntimeError):  # it has ended
            self._loop.call_soon_threadsafe(call)

    # ------------------------------------------------------------ what operators ask

    @property
    def round_s(self) -> float:
        """Nobody waits for this thread: a hook that holds it is told of by `status`."""
        return 0.0

    @property
    def status(self) -> Status:
        """Whether it runs, and if not, why and since when. Paused while a hook holds its thread."""
        if (held := self._watch.held(self._loop)) is None:
            return self._runner.status
        (_, hook, message_id), seconds = held
        return self._runner.held_by(hook, message_id, seconds)

    async def describe_waiting(self) -> dict[str, dict[str, float]]:
        """See `Runner`."""
        return await self._waiting.describe()  # the thread may be held

    async def describe_replay(self) -> dict[str, Any]:
        """See `Runner`."""
        return await self._ask(self._runner.describe_replay)

    async def ask(self, command: Command) -> Any:
        """See `Runner.carry_out`."""
        return await self.carry_out(command)

    async def carry_out(self, command: Command, ticket: Ticket | None = None) -> Any:
        """See `Runner`. What waits for the worker to end has an end itself: a reload may wait for it."""
        within_s = self._patience_s + ASK_S if isinstance(command, ENDS_WORKER) else None
        return await self._ask(partial(self._runner.carry_out, command, ticket), within_s)

    async def forget(self, regulation: Regulation) -> None:
        """See `Runner`. A reload waits for this, so it has an end: what is in flight may take its time-out."""
        await self._ask(partial(self._runner.forget, regulation), self._patience_s + ASK_S)

    async def forget_answers(self, regulation: Regulation) -> None:
        """See `Runner`."""
        await self._ask(partial(self._runner.forget_answers, regulation), self._patience_s + ASK_S)

    async def ask_to_delete(self, regulation: Regulation) -> Tool:
        """See `Runner`."""
        return await self._ask(partial(self._runner.ask_to_delete, regulation))
