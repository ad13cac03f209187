"""Ends a hook that never returns in the event loop of all destinations.

The loop winds up a timer of the kernel each time it goes round. When it does not go round for HELD_S, SIGALRM comes. Its
handler runs in the middle of the hook and raises there: the event becomes a dead letter, and the loop goes on. A hook that
catches even that ends the process: its destination is marked before, and gets a thread of its own at the next start, or is paused if it is
split into shards.
"""

from __future__ import annotations

import os
import signal
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NamedTuple

from router.daemon.held_marks import HeldMarks
from router.logger import Log
from router.plugin_host import Destination
from router.plugin_host.hook_watch import HookWatch
from router.plugin_host.interruption import HookInterrupted
from router.plugin_host.processor_wait import waited_s
from router.plugin_host.time_budgets import HELD_S

STOPPING_S = 10.0
"""In place of HELD_S once the daemon was asked to stop: a stop has to be over within TimeoutStopSec."""

AGAIN_S = 1.0
"""Between two alarms. The first one only notes which hook runs: a process that was frozen gets its alarm late."""

TRIES = 10
"""So many times a hook is interrupted before the process ends."""

STARVED = 0.1
"""A hook lets no other thread run, if the thread that watches loops had so small a share of its looks meanwhile."""

FRAMES = 12
"""Innermost lines of the stack that are logged."""


class Holder(NamedTuple):
    """Whose code runs."""

    destination: Destination
    hook: str
    message_id: str


class HookAlarm:
    """The timer of the main loop.

    Args:
        exit: ends the process at once.
        waited: for how long the main thread has waited for a processor in all.
    """

    def __init__(
        self,
        marks: HeldMarks,
        log: Log,
        exit: Callable[[int], object] = os._exit,
        waited: Callable[[], float] = waited_s,
    ) -> None:
        self._marks, self._log, self._exit, self._waited = marks, log, exit, waited
        self._holder: Callable[[FrameType], Holder | None] = lambda frame: None
        self._looked_s: Callable[[], float] = lambda: 0.0
        self._wound_at = 0.0  #: of the same
        self._holds_all = False
        self._limit_s = HELD_S
        self._is_armed = False
        self._seen: Holder | None = None  #: who held the loop at the last alarm, since it went round
        self._waited_s, self._rings = 0.0, 0  #: when it went round, and alarms since
        self._tries = 0
        self._hurried_at = float("-inf")

    @contextmanager
    def armed(self, holder: Callable[[FrameType], Holder | None], looked_s: Callable[[], float]) -> Iterator[None]:
        """Watch the loop that runs.

        Args:
            holder: whose code the main thread runs, by its innermost frame.
            looked_s: for how long the thread that watches loops has run in all. It stands still while no thread may run.
        """
        self._holder, self._looked_s = holder, looked_s
        before = signal.signal(signal.SIGALRM, self._ring)
        self._is_armed = True
        self.wind()
        try:
            yield
        finally:
            self._is_armed = False
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, before)

    def wind(self) -> None:
        """The loop has gone round."""
        self._seen, self._tries, self._wound_at = None, 0, self._looked_s()
        self._waited_s, self._rings = self._waited(), 0
        if self._is_armed:
            signal.setitimer(signal.ITIMER_REAL, self._limit_s, AGAIN_S)

    def hurry(self) -> None:
        """The daemon was asked to stop. Called by the handler of a signal, so in the middle of anything."""
        self._limit_s = STOPPING_S
        self._hurried_at = time.monotonic()
        if self._is_armed:
            signal.setitimer(signal.ITIMER_REAL, STOPPING_S, AGAIN_S)

    def look(self, holder: Holder, held_s: float, frame: FrameType | None) -> None:
        """End the process where no alarm has helped: the code that holds the loop lets no handler of a signal run. Called by the
        thread that watches loops."""
        since_hurry_s = time.monotonic() - self._hurried_at
        if min(held_s, since_hurry_s) >= self._limit_s + (TRIES + 3) * AGAIN_S:
            self.end(holder, frame)

    def _ring(self, number: int, frame: FrameType | None) -> None:
        if frame is None or frame.f_code is HookWatch.end.__code__:  # it returns right now
            return
        self._rings += 1
        if self._rings == 1:  # from here on other threads have a turn at each alarm
            self._holds_all = self._looked_s() - self._wound_at < STARVED * self._limit_s
        if self._waited() - self._waited_s > self._rings * AGAIN_S:  # the machine had no processor for it
            return
        holder = self._holder(frame)
        before, self._seen = self._seen, holder
        if holder is None or before != holder:
            return
        self._tries += 1
        if self._tries > TRIES:
            self.end(holder, frame)
        destination, hook, _ = holder
        destination.watch.interrupted(holds_all=self._holds_all)
        words = f"it held the event loop of all destinations for {self._limit_s:g} s: it was interrupted"
        if self._tries == 1:
            self._tell(holder, words, frame)
        raise HookInterrupted(f"plugin {destination.plugin_name}, hook {hook}: {words}")

    def end(self, holder: Holder, frame: FrameType | None) -> None:
        """End the process: this hook cannot be interrupted. Called by any thread."""
        self._marks.add(*holder)
        is_split = holder.destination.config.delivery.shards > 1
        becomes = "is paused" if is_split else "runs in its own thread"
        words = f"it cannot be interrupted: the process ends, and its destination {becomes} after the next start"
        self._tell(holder, words, frame)
        self._log.flush()
        self._exit(1)

    def _tell(self, holder: Holder, words: str, frame: FrameType | None) -> None:
        destination, hook, message_id = holder
        lines = "".join(traceback.format_list(traceback.extract_stack(frame)[-FRAMES:])) if frame is not None else ""
        self._log.emit(
            "plugin_failed",
            destination=destination.name,
            plugin=destination.plugin_name,
            hook=hook,
            message_id=message_id,
            detail=words,
            stack=destination.redact(lines),
        )
