"""Notices hooks that hold their event loop: names them, counts them, and tells how long a pass may still map events."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from contextvars import Token
from time import perf_counter
from typing import Any, NamedTuple

import msgspec

from router.plugin_host.processor_wait import waited_s
from router.plugin_host.time_budgets import HOLD_S, SLICE_S
from router.plugin_host.whose_code import SOME_HOOK, whose

SLOW_CALLS, SLOW_SPELL_S = 5, 60.0
"""So many held loops within this time, and the plugin should have a thread of its own."""

PAUSE_S = 60.0
"""Between two lines of the log about the same hook."""

LOOK_S = 0.01
"""How old the last look at the thread's wait for a processor may be when a hook begins: each look takes as long as a quick hook. So much
of what the thread waited before the hook may be taken for a part of it."""

LEAST_READ, MOST_EVENTS = 32, 500
"""Events that one pass takes: so many are read at a time even where a slice is enough for fewer, and at most so many."""


def task_name(hook: str, destination: str, message_id: str = "") -> str:
    """The name of a task in which a hook runs, by which it is known when it holds the loop."""
    return f"{hook} {destination} {message_id}"


def hook_of(name: str) -> tuple[str, str, str] | None:
    """Hook, destination and message id of a task with this name; None for any other task."""
    parts = name.split(" ", 2)
    return (parts[0], parts[1], parts[2]) if len(parts) == 3 and parts[0] in ("deliver", "lifetime") else None


class Slow(NamedTuple):
    """Why a destination must not share its event loop any longer."""

    hook: str
    words: str
    holds_all: bool  #: its code lets no other thread run: a thread of its own would protect nobody


class SlowHook(msgspec.Struct):
    """How often a hook held the loop since its destination was started or changed."""

    count: int = 0
    longest_s: float = 0.0
    last_message_id: str = ""
    logged_at: float = float("-inf")


def _say_nothing(event: str, **fields: Any) -> None:
    pass


def _do_nothing(slow: Slow) -> None:
    pass


class HookWatch:
    """Of one destination. The thread of its loop writes it, but for `stack`, which the thread that watches loops writes."""

    def __init__(self) -> None:
        self._waited_s, self._look_at = 0.0, float("-inf")  #: as of the last look, and when to look again
        self._emit: Callable[..., None] = _say_nothing
        self._on_slow: Callable[[Slow], None] = _do_nothing
        self.running: tuple[str, str] | None = None  #: hook and message id, while a hook that runs in one go does
        self.stack = ""  #: where it was seen
        self.slow: dict[str, SlowHook] = {}
        self.total = 0  #: held loops, of all hooks
        self.thread_id = threading.get_ident()  #: of its loop
        self._whose: Token[str]  #: whose code ran before the hook
        self._began = 0.0
        self._spent_s = 0.0
        self.is_over = False  #: hooks have used up this slice
        self._recent: deque[float] = deque(maxlen=SLOW_CALLS)
        #: a hook was interrupted that returns next; True: it let no other thread run
        self._interrupt: bool | None = None

    def attach(self, emit: Callable[..., None], on_slow: Callable[[Slow], None]) -> None:
        """From now on write lines of the log with `emit`, and call `on_slow` when hooks have held the loop again and again, or
        one was interrupted."""
        self._emit, self._on_slow = emit, on_slow

    def begin(self, hook: str, message_id: str) -> None:
        """A hook that runs in one go begins."""
        self.running, self.stack = (hook, message_id), ""
        self._whose = whose.set(SOME_HOOK)
        began = self._began = perf_counter()
        if began >= self._look_at:
            self._waited_s, self._look_at = waited_s(), began + LOOK_S

    def end(self) -> None:
        """It has ended."""
        whose.reset(self._whose)
        took = perf_counter() - self._began
        self._spent_s += took
        self.is_over = self._spent_s >= SLICE_S
        running, self.running = self.running, None
        if took >= HOLD_S and running is not None:
            took -= waited_s() - self._waited_s  # the machine's fault, not the hook's
            if took >= HOLD_S or self._interrupt is not None:
                self.held(*running, took, self.stack)

    def interrupted(self, *, holds_all: bool) -> None:
        """The hook that runs is interrupted: it would not have returned."""
        self._interrupt = holds_all

    def held(self, hook: str, message_id: str, seconds: float, stack: str) -> None:
        """Count a hook that held the loop, and tell of it once a minute."""
        slow = self.slow.setdefault(hook, SlowHook())
        slow.count += 1
        self.total += 1
        slow.longest_s = max(slow.longest_s, seconds)
        slow.last_message_id = message_id
        now = perf_counter()
        if now - slow.logged_at >= PAUSE_S:
            slow.logged_at = now
            more: dict[str, Any] = {"stack": stack} if stack else {}
            self._emit(
                "plugin_slow",
                hook=hook,
                message_id=message_id,
                seconds=round(seconds, 3),
                count=slow.count,
                **more,
            )
        self._recent.append(now)
        interrupt, self._interrupt = self._interrupt, None
        if interrupt is not None:
            self._on_slow(Slow(hook, f"hook {hook} held the event loop for {seconds:.0f} s", interrupt))
        elif len(self._recent) == SLOW_CALLS and now - self._recent[0] <= SLOW_SPELL_S:
            self._recent.clear()
            words = f"hook {hook} held the event loop, the {SLOW_CALLS}th time within {SLOW_SPELL_S:g} s"
            self._on_slow(Slow(hook, words, holds_all=False))

    def forget_messages(self) -> None:
        """Name no message any more: the person of one may be forgotten. Called from any thread."""
        for slow in list(self.slow.values()):
            slow.last_message_id = ""

    def describe(self) -> dict[str, dict[str, Any]]:
        """For `/api/destinations`: by hook."""
        return {
            hook: {"count": slow.count, "longest_s": round(slow.longest_s, 3), "last_message_id": slow.last_message_id}
            for hook, slow in list(self.slow.items())
        }

    # ------------------------------------------------------------ slices

    def start_slice(self) -> None:
        """Hooks may take SLICE_S again from here on."""
        self._spent_s, self.is_over = 0.0, False


class PassSize:
    """How many events one pass takes: what a slice is enough for. Slow mapping must not prepare hundreds to map a few."""

    def __init__(self) -> None:
        self.events = MOST_EVENTS

    def ended(self, done: int, *, is_over: bool) -> None:
        """A pass took its events, or its slice was over before."""
        self.events = max(1, done) if is_over else min(MOST_EVENTS, 2 * max(self.events, done))
