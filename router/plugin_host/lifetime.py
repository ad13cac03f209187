"""A plugin's own lifetime, in a task of its own: what goes wrong there, whenever it does, ends nothing else."""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import Callable

from router.plugin_host.destination import Destination
from router.plugin_host.hook_watch import task_name
from router.plugin_host.time_budgets import CANCEL_S, CLOSE_S, OPEN_S
from router.plugin_host.whose_code import whose


class LifetimeFault(Exception):
    """The plugin's lifetime failed; the words are the traceback, or what took too long."""


class Lifetime:
    """Opened before the worker, closed behind it. A destination without the hook has one that does nothing."""

    def __init__(self, destination: Destination, on_end: Callable[[], None] = lambda: None) -> None:
        self._destination, self._on_end = destination, on_end
        self._task: asyncio.Task[None] | None = None
        self._opened, self._leave = asyncio.Event(), asyncio.Event()

    async def open(self) -> None:
        """Raises LifetimeFault."""
        if "lifetime" not in self._destination.hooks:
            return
        self._task = asyncio.create_task(self._live(), name=task_name("lifetime", self._destination.name))
        opened = asyncio.create_task(self._opened.wait())
        try:
            await asyncio.wait({self._task, opened}, timeout=OPEN_S, return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            self._task.cancel()
            raise
        finally:
            opened.cancel()
        if self._task.done():
            raise LifetimeFault(self._words())
        if not self._opened.is_set():
            await self._abandon()
            raise LifetimeFault(f"it took longer than {OPEN_S:g} s to open")
        self._task.add_done_callback(lambda task: self._on_end())

    @property
    def has_ended(self) -> bool:
        """Whether it ended by itself, though nobody asked it to."""
        return self._task is not None and self._task.done() and not self._leave.is_set()

    async def close(self) -> None:
        """End it. Raises LifetimeFault where it had ended before, does not end in time, or fails at its end."""
        if self._task is None:
            return
        is_early = self._task.done()
        self._leave.set()
        await asyncio.wait({self._task}, timeout=CLOSE_S)
        if not self._task.done():
            await self._abandon()
            raise LifetimeFault(f"it took longer than {CLOSE_S:g} s to close: it was cancelled")
        if is_early or self._task.cancelled() or self._task.exception() is not None:
            raise LifetimeFault(self._words())

    async def _live(self) -> None:
        whose.set(self._destination.name)
        try:
            async with self._destination.hooks["lifetime"](self._destination.redactor.add):
                self._opened.set()
                await self._leave.wait()
        except (SystemExit, KeyboardInterrupt) as error:  # from a task these would end the loop
            raise LifetimeFault("".join(traceback.format_exception(error))) from None

    async def _abandon(self) -> None:
        assert self._task is not None
        self._task.cancel()
        await asyncio.wait({self._task}, timeout=CANCEL_S)

    def _words(self) -> str:
        assert self._task is not None
        if self._task.cancelled():
            return "it was cancelled: a task of its own failed, or a time-out of its own passed"
        error = self._task.exception()
        return "".join(traceback.format_exception(error)) if error is not None else "it ended by itself"
