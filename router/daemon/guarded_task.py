"""The tasks of the daemon's event loops: a plugin cancels its own, not those of the router or of another destination."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Coroutine
from contextvars import Context, copy_context
from types import FrameType
from typing import Any

import router
from router.plugin_host.hook_watch import hook_of
from router.plugin_host.whose_code import NOBODY, SOME_HOOK, whose

ROUTER = os.path.dirname(router.__file__) + os.sep
ASYNCIO = os.path.dirname(asyncio.__file__) + os.sep
LOOP = os.path.join(ROUTER, "daemon", "event_loop.py")
"""The loop runs in it: what has no other caller is called by the loop, for whoever asked it to."""


class CancelRefused(RuntimeError):
    """Raised in the plugin. It fails there, as whatever else a hook raises."""


class GuardedTask(asyncio.Task[Any]):
    """A task that knows who began it."""

    def __init__(
        self,
        work: Coroutine[Any, Any, Any],
        *,
        loop: asyncio.AbstractEventLoop,
        context: Context | None = None,
        **more: Any,
    ) -> None:
        self._owner = _who_asks()
        context = copy_context() if context is None else context
        if self._owner == NOBODY:  # it may be begun in the middle of a hook
            context.run(whose.set, NOBODY)
        super().__init__(work, loop=loop, context=context, **more)

    @property
    def owner(self) -> str:
        """The destination whose code runs in it, NOBODY or SOME_HOOK."""
        found = hook_of(self.get_name())
        return self._owner if found is None else found[1]

    def cancel(self, msg: Any | None = None) -> bool:
        """Raises CancelRefused where a plugin cancels what is not its own."""
        asks = _who_asks()
        own = self._owner != NOBODY if asks == SOME_HOOK else self.owner in (asks, SOME_HOOK)
        if asks != NOBODY and not own:
            raise CancelRefused(
                f"a plugin must not cancel task {self.get_name()!r}, which is not its own: cancel only tasks that the plugin began"
            )
        return super().cancel(msg)


def guard(loop: asyncio.AbstractEventLoop) -> None:
    """All tasks of this loop are guarded from here on. Called by the thread that runs it: what it runs is the router's."""
    whose.set(NOBODY)
    loop.set_task_factory(_make)


def _make(loop: asyncio.AbstractEventLoop, work: Any, **more: Any) -> GuardedTask:
    return GuardedTask(work, loop=loop, **more)


def _who_asks() -> str:
    """Who begins or cancels a task right now: NOBODY, SOME_HOOK, or the destination whose plugin it is."""
    return NOBODY if _is_router(_caller()) else whose.get()


def _is_router(file: str) -> bool:
    return file.startswith(ROUTER) and file != LOOP


def _caller() -> str:
    """The file of the code that asks: asyncio asks only for others."""
    frame: FrameType | None = sys._getframe(2)
    while frame is not None and (frame.f_code.co_filename == __file__ or frame.f_code.co_filename.startswith(ASYNCIO)):
        frame = frame.f_back
    return frame.f_code.co_filename if frame is not None else ""
