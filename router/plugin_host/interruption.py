"""Interrupts code of plugins that never returns, in a thread that nobody waits for any more.

Python cannot end a thread, but it can have one raise. Code that loops for ever and is let be takes its share of the interpreter from everybody
else: each time the main thread gives it up, for a request for example, it gets it back up to 5 ms later.
"""

from __future__ import annotations

import asyncio
import ctypes
import sys
import threading
import time
from collections.abc import Callable
from types import FrameType
from typing import Generic, TypeVar

T = TypeVar("T")

AGAIN_S = 1.0
"""Between two interrupts."""

TRIES = 10
"""So many times code is interrupted that catches even that."""

_SPARED = frozenset({"router", "logging", "importlib", "_frozen_importlib", "_frozen_importlib_external"})
"""Packages whose code is not interrupted: others may wait for what it holds. Such a lock would be let go by nobody."""

_raise_in = ctypes.pythonapi.PyThreadState_SetAsyncExc
_raise_in.argtypes = (ctypes.c_ulong, ctypes.py_object)

_here = threading.local()


class HookInterrupted(BaseException):
    """Raised in the middle of a hook. No Exception: a hook that tries again after each of those would catch it."""


class Interruptible(Generic[T]):
    """Work that may be interrupted while it runs, and not a moment later: its thread may do something else by then. Called once."""

    def __init__(self, work: Callable[[], T]) -> None:
        self._work = work
        self._changing = threading.Lock()
        self._thread_id = 0  #: of the thread that is at work
        self._is_over = False
        self._used_s: float | None = None  #: processor time that its thread had taken when `cut` looked last
        self.interrupts = 0  #: so many times it was interrupted

    def __call__(self) -> T:
        """Do it."""
        _here.work, self._thread_id = self, threading.get_ident()
        try:
            try:
                return self._work()
            finally:
                self._leave()
        finally:  # an interrupt may have come just before this was said; no second one comes within AGAIN_S
            self._leave()

    def _leave(self) -> None:
        """Nothing interrupts it from now on. What an earlier interrupt is still to raise is raised here, or as this is called again.

        It is not taken back: Python 3.11 would look for something to raise at each call and each turn of a loop ever after, and a function
        that is traced would never begin.
        """
        with self._changing:
            self._is_over, _here.work = True, None

    def interrupt(self) -> bool:
        """Have its thread raise HookInterrupted, where code of a plugin or of a library runs there. Returns whether it is still at work.

        Called by another thread.
        """
        with self._changing:
            if self._is_over:
                return False
            if self._thread_id and _may_be_cut(sys._current_frames().get(self._thread_id)):
                self.interrupts += 1
                _raise_in(self._thread_id, HookInterrupted)
            return True

    def cut(self, loop: asyncio.AbstractEventLoop) -> None:
        """Interrupt it, by this loop: in `AGAIN_S` if it runs until then, and again while it catches that.

        What waits without an end takes nothing from anybody, and is interrupted once it goes on. An interrupt that its thread does not come
        to raise would slow all threads down, and hold up those that are traced: see `_leave`.
        """
        used_s = self._processor_s()
        if used_s is None:
            return
        if self._used_s is not None and used_s > self._used_s:
            self.interrupt()
        self._used_s = used_s
        if self.interrupts < TRIES:
            loop.call_later(AGAIN_S, self.cut, loop)

    def _processor_s(self) -> float | None:
        """How long its thread has run. None: the work is over."""
        with self._changing:  # so that the thread, which has to leave, cannot have ended
            if self._is_over:
                return None
            if not self._thread_id:
                return 0.0
            if sys.platform == "darwin":  # it has no such clock
                return time.monotonic()
            return time.clock_gettime(time.pthread_getcpuclockid(self._thread_id))


def _may_be_cut(frame: FrameType | None) -> bool:
    return frame is not None and str(frame.f_globals.get("__name__", "")).partition(".")[0] not in _SPARED


def go_on() -> None:
    """Raises HookInterrupted where the work of this thread was interrupted before: nobody waits for what is left of it."""
    work: Interruptible[object] | None = getattr(_here, "work", None)
    if work is not None and work.interrupts:
        raise HookInterrupted
