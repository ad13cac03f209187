"""The threads in which code of plugins runs because somebody asked: one place for all of them, so that hooks which never return hold
few threads, however often somebody asks.

One that hangs is interrupted. If its code catches that again and again, it goes on until the process ends.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Literal, NamedTuple, TypeVar

from router.errors import CommandRefused
from router.in_thread import Thread, begin
from router.plugin_host.interruption import Interruptible
from router.plugin_host.time_budgets import MAKE_S

T = TypeVar("T")

Purpose = Literal["reload", "preview", "form", "trial", "move"]
"""What a thread is for: a reload, what a reload would do, a form that shows the settings of a plugin, a trial or a test, a new instance for a
destination that gets a thread of its own."""

MOST = 3
"""Threads of one purpose. So what hangs for one purpose leaves room for the others, and a plugin that was mended can be tried again."""


class Running(NamedTuple):
    """A thread at work."""

    thread: Thread
    work: Interruptible[Any]
    limit_at: float  #: it hangs if it has not ended by then, by the clock of the event loop


class PluginThreads:
    """Owned by the daemon."""

    def __init__(self) -> None:
        self._running: dict[Purpose, list[Running]] = {}

    async def run(self, purpose: Purpose, work: Callable[[], T], limit_s: float = MAKE_S) -> T:
        """Do this in a thread of its own, as soon as there is room for one.

        Raises:
            CommandRefused: `busy`, as many as may run hang.
            TimeoutError: it takes longer than `limit_s`. Its thread goes on until an interrupt ends it.
            Exception: what `work` raises; SystemExit and the like as RuntimeError.
        """
        while len(running := self._now_running(purpose)) >= MOST:
            await _room(purpose, running)
        loop, interruptible = asyncio.get_running_loop(), Interruptible(work)
        thread = begin(interruptible, "plugin-code")
        running.append(one := Running(thread, interruptible, loop.time() + limit_s))
        at_limit = loop.call_at(one.limit_at, interruptible.cut, loop)
        thread.done.add_done_callback(lambda _: at_limit.cancel())
        thread.done.add_done_callback(lambda done: done.exception())  # perhaps nobody waits for it
        async with asyncio.timeout(limit_s):
            result: T = await asyncio.shield(thread.done)  # it tells when the thread ends, whoever waits for it
            return result

    def _now_running(self, purpose: Purpose) -> list[Running]:
        running = [
            one for one in self._running.get(purpose, ()) if one.thread.is_alive() and not one.thread.done.done()
        ]
        self._running[purpose] = running
        return running


async def _room(purpose: Purpose, running: list[Running]) -> None:
    """Until one of them has ended, or hangs. Raises CommandRefused where all of them hang."""
    now = asyncio.get_running_loop().time()
    in_time = [one for one in running if now < one.limit_at]
    if not in_time:
        words = (
            f"{MOST} threads for a {purpose} run code of plugins and have not ended in time; try again in some seconds."
            " If it stays so, a hook or an __init__ never returns: mend the plugin and restart the daemon"
        )
        raise CommandRefused("busy", words)
    until = min(one.limit_at for one in in_time)
    await asyncio.wait([one.thread.done for one in in_time], timeout=until - now, return_when=asyncio.FIRST_COMPLETED)
