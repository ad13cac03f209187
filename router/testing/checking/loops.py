"""An event loop that outlives what plugins do to it, and in which hours pass at once."""

from __future__ import annotations

import asyncio
import sys
import threading
import time
from asyncio import futures
from collections.abc import Callable, Coroutine
from contextvars import Context
from pathlib import Path
from typing import Any, TypeVar, TypeVarTuple
from weakref import WeakSet

__all__ = ["PATIENCE_S", "KitLoop", "finished", "rounds", "run", "threads"]

T = TypeVar("T")
Ts = TypeVarTuple("Ts")
PATIENCE_S = 20.0
"""Of the machine's time: what a plugin does without an answer to wait for takes no longer on any machine."""
END_S = 1.0
"""What does not end when it is cancelled is left behind after this time."""
MAX_CUTS = 300
_WAKE = getattr(futures, "_set_result_unless_cancelled", None)


class KitLoop(asyncio.SelectorEventLoop):
    """`asyncio.sleep` passes at once in it (the first 300 times), and only its main task ends it."""

    skew_s = 0.0

    def __init__(self, *, cuts_sleep: bool) -> None:
        super().__init__()
        self.main: asyncio.Task[Any] | None = None
        self.touched: list[str] = []  #: where somebody tried to stop or to change it
        self.troubles: list[str] = []  #: exceptions of tasks that nobody asked for, and the like
        self._cuts = MAX_CUTS if cuts_sleep else 0
        self._timers: WeakSet[asyncio.TimerHandle] = WeakSet()
        super().set_exception_handler(self._on_trouble)

    def time(self) -> float:
        """The time of its timers."""
        return super().time() + self.skew_s

    def pass_time(self, seconds: float) -> None:
        """Let time pass for its timers."""
        self.skew_s += seconds

    @property
    def timers(self) -> list[str]:
        """What is to be called later: the names of the functions."""
        handles = [handle for handle in self._timers if not handle.cancelled() and handle.when() > self.time()]
        callbacks = [getattr(handle, "_callback", handle) for handle in handles]
        return [getattr(callback, "__qualname__", repr(callback)) for callback in callbacks]

    def stop(self) -> None:
        """Stop, if the main task has ended."""
        if self.main is None or self.main.done():
            super().stop()
            return
        self._note("stop")

    def _note(self, name: str) -> None:
        """Somebody has called this, and it has no effect."""
        frame = sys._getframe(2)
        place = f"loop.{name}() at {Path(frame.f_code.co_filename).name}:{frame.f_lineno}"
        if place not in self.touched:
            self.touched.append(place)

    def set_default_executor(self, executor: Any) -> None:
        """See `asyncio.AbstractEventLoop`. The daemon's is for everybody."""
        self._note("set_default_executor")

    def set_task_factory(self, factory: Any) -> None:
        """See `asyncio.AbstractEventLoop`. The daemon's is for everybody."""
        self._note("set_task_factory")

    def set_exception_handler(self, handler: Any) -> None:
        """See `asyncio.AbstractEventLoop`. The daemon's is for everybody."""
        self._note("set_exception_handler")

    def call_later(
        self, delay: float, callback: Callable[[*Ts], object], *args: *Ts, context: Context | None = None
    ) -> asyncio.TimerHandle:
        """See `asyncio.AbstractEventLoop`. The end of an `asyncio.sleep` is now."""
        if callback is _WAKE and self._cuts > 0:
            self._cuts -= 1
            delay = 0
        handle = super().call_later(delay, callback, *args, context=context)
        self._timers.add(handle)
        return handle

    def _on_trouble(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        self.troubles.append(f"{context.get('message')}: {context.get('exception')!r}")


def run(main: Callable[[KitLoop], Coroutine[Any, Any, T]], *, cuts_sleep: bool = True) -> T:
    """What the coroutine returns, in a loop of its own. Tasks that it leaves behind are cancelled; what then does not end is abandoned."""
    loop = KitLoop(cuts_sleep=cuts_sleep)
    try:
        loop.main = task = loop.create_task(main(loop), name="conformance")
        while not task.done():
            _run_on(loop, task)
        return task.result()
    finally:
        _close(loop)


def _run_on(loop: KitLoop, main: asyncio.Task[Any]) -> None:
    """Run until the main task has ended, or a task that a plugin has started raises SystemExit."""
    try:
        loop.run_until_complete(main)
    except SystemExit:
        if not main.done():
            loop.touched.append("a task that raised SystemExit")
    except Exception:
        if not main.done():
            raise


def _close(loop: KitLoop) -> None:
    left = asyncio.all_tasks(loop)
    for task in left:
        task.cancel()
    try:
        if left:
            loop.main = main = loop.create_task(_ended(left), name="conformance")
            while not main.done():
                _run_on(loop, main)
        for task in asyncio.all_tasks(loop):
            task._log_destroy_pending = False  # type: ignore[attr-defined]  # it is abandoned, and that was said
    finally:
        loop.close()


async def _ended(tasks: set[asyncio.Task[Any]]) -> None:
    done, _ = await asyncio.wait(tasks, timeout=END_S)
    for task in done:
        if not task.cancelled():
            task.exception()


async def finished(work: Coroutine[Any, Any, T] | asyncio.Task[T], patience_s: float | None = None) -> asyncio.Task[T]:
    """The task of this work, once it has ended, or after the patience. Raises nothing of it."""
    task = work if isinstance(work, asyncio.Task) else asyncio.create_task(work)
    end = time.monotonic() + (PATIENCE_S if patience_s is None else patience_s)
    while not task.done() and (left_s := end - time.monotonic()) > 0:
        await asyncio.wait({task}, timeout=left_s)  # ends early where the time of the loop has been let pass
    return task


async def rounds(n: int = 20) -> None:
    """Let everything that can run do so."""
    for _ in range(n):
        await asyncio.sleep(0)


def threads() -> set[threading.Thread]:
    """The threads there are, without those in which a loop runs blocking code: it ends them itself."""
    return {thread for thread in threading.enumerate() if not thread.name.startswith("asyncio_")}
