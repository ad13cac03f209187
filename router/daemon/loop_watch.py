"""A thread that looks whether each event loop goes round, and finds out which plugin holds one that does not."""

from __future__ import annotations

import asyncio
import sys
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from types import FrameType

from router.daemon.hook_alarm import FRAMES, Holder, HookAlarm
from router.logger import Log
from router.plugin_host import Destination
from router.plugin_host.hook_watch import hook_of
from router.plugin_host.processor_wait import waited_s
from router.plugin_host.time_budgets import HOLD_S, LONG_S

LOOK_S = 0.05
"""Between two looks: a `deliver` that holds the loop for HOLD_S and twice this is surely seen. Hooks that run in one go are
timed one by one as well."""

SLOT_S, SLOTS = 5.0, 13
"""How late a loop was is kept for a minute: the longest of each slot, the running one included."""

UNTIMED = ("deliver", "lifetime", "")
"""Hooks that do not run in one go, and code of a plugin beside its hooks."""


class WatchedLoop:
    """One event loop, and the thread that runs it.

    Args:
        destination: whose own loop it is; empty for the loop that all share.
        waited: for how long its thread has waited for a processor in all.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        thread_id: int,
        destination: str = "",
        waited: Callable[[], float] = lambda: 0.0,
    ) -> None:
        self.loop, self.thread_id, self.destination = loop, thread_id, destination
        self._waited, self._waited_s = waited, 0.0  #: when it was asked
        self._late: deque[tuple[int, float]] = deque(maxlen=SLOTS)  #: by slot of time how late it was at most
        self.asked_at: float | None = None  #: when it was asked to answer; None: it has answered
        self.holder: Holder | None = None  #: who holds it
        self.stack = ""
        self.is_told = False
        self.held_before = 0  #: how many held loops were counted of the holder before this one
        self.looks = 0  #: while it is held: a process that was frozen is not held for as long as its clock says

    def ask(self, now: float) -> None:
        """It is asked to answer, now."""
        self.asked_at, self.holder, self.stack, self.is_told = now, None, "", False
        self.looks, self._waited_s = 0, self._waited()

    def held_s(self, now: float) -> float:
        """For how long code has held it since it was asked: without the time in which the machine had no processor for it."""
        if self.asked_at is None:
            return 0.0
        return now - self.asked_at - (self._waited() - self._waited_s)

    def was_late(self, now: float, seconds: float) -> None:
        """It has answered, so many seconds after it was asked."""
        slot = int(now / SLOT_S)
        if not self._late or self._late[-1][0] < slot:
            self._late.append((slot, seconds))
        elif seconds > self._late[-1][1]:
            self._late[-1] = (slot, seconds)

    def lag_s(self, now: float) -> float:
        """How late it was at most in the last minute; if it is held now, it is late since it was asked."""
        asked_at = self.asked_at
        oldest = int(now / SLOT_S) - SLOTS + 1
        late = [seconds for slot, seconds in self._late.copy() if slot >= oldest]
        return max([*late, now - asked_at if asked_at is not None else 0.0])


class LoopWatch:
    """Watches loops from one thread. `watched` is entered for as long as the daemon serves.

    Args:
        destinations: those that run now.
        alarm: ends a hook that never returns in the loop that enters `watched`.
    """

    def __init__(
        self, destinations: Callable[[], Iterable[Destination]], log: Log, alarm: HookAlarm | None = None
    ) -> None:
        self._destinations, self._log, self._alarm = destinations, log, alarm
        self._main: WatchedLoop | None = None  #: the loop that the alarm is for
        self._rounds = 0
        self._loops: dict[asyncio.AbstractEventLoop, WatchedLoop] = {}
        self._changing = threading.Lock()
        self._ended = threading.Event()

    def add(self, loop: asyncio.AbstractEventLoop, destination: str) -> None:
        """Watch this loop, which the calling thread runs, of a destination."""
        self._add(loop, destination)

    def lags_s(self) -> Mapping[str, float]:
        """How late each loop was at most in the last minute, by destination; that of all others by the empty name."""
        now = time.perf_counter()
        return {watched.destination: watched.lag_s(now) for watched in self._loops.values()}

    def _add(self, loop: asyncio.AbstractEventLoop, destination: str = "") -> WatchedLoop:
        native_id = threading.get_native_id()
        watched = WatchedLoop(loop, threading.get_ident(), destination, lambda: waited_s(native_id))
        with self._changing:
            self._loops = {**self._loops, loop: watched}
        return watched

    def held(self, loop: asyncio.AbstractEventLoop) -> tuple[Holder, float] | None:
        """Who has held this loop for LONG_S or longer and holds it still, and for how many seconds."""
        watched = self._loops.get(loop)
        if watched is None or (holder := watched.holder) is None:
            return None
        seconds = watched.held_s(time.perf_counter())
        return (holder, seconds) if seconds >= LONG_S else None

    def remove(self, loop: asyncio.AbstractEventLoop) -> None:
        """Watch it no more."""
        with self._changing:
            self._loops = {other: watched for other, watched in self._loops.items() if other is not loop}

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Watch the running loop, and those that are added."""
        loop = asyncio.get_running_loop()
        main = self._add(loop)
        thread = threading.Thread(target=self._look_on, name="loop-watch", daemon=True)
        thread.start()
        try:
            with self._alarm_for(main):
                yield
        finally:
            self._ended.set()
            self.remove(loop)

    @contextmanager
    def _alarm_for(self, main: WatchedLoop) -> Iterator[None]:
        if self._alarm is None:
            yield
            return
        self._main = main
        try:
            with self._alarm.armed(lambda frame: self._holder(main, frame), lambda: self._rounds * LOOK_S):
                yield
        finally:
            self._main = None

    def _look_on(self) -> None:
        while not self._ended.wait(LOOK_S):
            self._rounds += 1
            for watched in self._loops.values():
                try:
                    self._look(watched)
                except Exception as error:  # one loop that cannot be looked at must not end the watch of all
                    self._log.emit("internal_error", reason="loop_watch", exc_info=error)

    def _look(self, watched: WatchedLoop) -> None:
        now, holder = time.perf_counter(), watched.holder
        watched.looks += 1
        if watched.asked_at is None:
            watched.ask(now)
            try:
                watched.loop.call_soon_threadsafe(self._answer, watched)
            except RuntimeError:  # it is closed
                self.remove(watched.loop)
        elif (held_s := watched.held_s(now)) >= HOLD_S and holder is None:
            self._find_holder(watched)
        elif held_s >= LONG_S and holder is not None and not watched.is_told:
            watched.is_told = True
            destination, hook, message_id = holder
            self._log.emit(
                "loop_held",
                destination=destination.name,
                plugin=destination.plugin_name,
                hook=hook,
                message_id=message_id,
                seconds=round(held_s, 3),
                stack=watched.stack,
            )
        elif holder is not None and self._alarm is not None and watched is self._main:
            held_s = min(held_s, watched.looks * LOOK_S)
            self._alarm.look(holder, held_s, sys._current_frames().get(watched.thread_id))

    def _find_holder(self, watched: WatchedLoop) -> None:
        frame = sys._current_frames().get(watched.thread_id)
        if frame is None:
            return
        holder = self._holder(watched, frame)
        if holder is not None:
            destination, hook, _ = holder
            lines = traceback.format_list(traceback.extract_stack(frame)[-FRAMES:])
            watched.stack = destination.redact("".join(lines))
            watched.held_before = destination.watch.total
            if hook not in UNTIMED:
                destination.watch.stack = watched.stack
        watched.holder = holder

    def _holder(self, watched: WatchedLoop, frame: FrameType) -> Holder | None:
        """By the hook that runs in one go; else by the name of the task; else by the module whose code runs."""
        destinations = list(self._destinations())
        modules = set(_modules(frame))
        for destination in destinations:
            watch = destination.watch
            running = watch.running
            if running is not None and watch.thread_id == watched.thread_id:
                return Holder(destination, *running)
        task = asyncio.current_task(watched.loop)
        if task is not None and (found := hook_of(task.get_name())) is not None:
            hook, name, message_id = found
            for destination in destinations:
                if destination.name == name:
                    return Holder(destination, hook, message_id)
        for destination in destinations:
            of_this_loop = destination.watch.thread_id == watched.thread_id
            if of_this_loop and type(destination.instance).__module__ in modules:
                return Holder(destination, "", "")
        return None

    def _answer(self, watched: WatchedLoop) -> None:
        """Called by the loop itself, once it goes round again."""
        now = time.perf_counter()
        held_s = watched.held_s(now) if watched.holder is not None else 0.0
        asked_at, watched.asked_at = watched.asked_at, None
        if asked_at is not None:
            watched.was_late(now, now - asked_at)
        if watched is self._main and self._alarm is not None:
            self._alarm.wind()
        if watched.holder is None or asked_at is None:
            return
        destination, hook, message_id = watched.holder
        # Hooks that run in one go are timed one by one; many short ones can hold the loop together.
        if destination.watch.total == watched.held_before:
            destination.watch.held(hook, message_id, held_s, watched.stack)


def _modules(frame: FrameType | None) -> Iterator[str]:
    """The modules whose code is on the stack."""
    while frame is not None:
        yield frame.f_globals.get("__name__", "")
        frame = frame.f_back
