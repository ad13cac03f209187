"""The saves that are under way. Each is carried out once and to its end, whoever goes away meanwhile; a stop cuts only what writes nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from aiohttp import web

from router.console.edits import Saved
from router.errors import CommandRefused

T = TypeVar("T")


class Saves:
    """By the id of the change."""

    def __init__(self) -> None:
        self._running: dict[str, asyncio.Task[Saved]] = {}
        self._parts: set[asyncio.Task[Any]] = set()
        self._is_stopping = False

    async def run(self, id: str, work: Callable[[], Coroutine[Any, Any, Saved]]) -> Saved:
        """What comes of a save. Whoever says yes once more while it runs waits for the same one."""
        task = self._running.get(id)
        if task is None:
            task = self._running[id] = asyncio.create_task(work(), name="console-save")
            task.add_done_callback(lambda _: self._running.pop(id, None))
        return await asyncio.shield(task)

    async def ended(self, id: str) -> None:
        """Return once no save of this change runs. Raises nothing of it."""
        if id in self._running:
            await asyncio.wait({self._running[id]})

    async def part(self, work: Coroutine[Any, Any, T]) -> T:
        """A part of a save that a stop may cut: it raises CommandRefused `stopping` then."""
        if self._is_stopping:
            work.close()
            raise CommandRefused("stopping", "the router is stopping")
        task = asyncio.create_task(work)
        self._parts.add(task)
        try:
            return await task
        except asyncio.CancelledError:
            if not self._is_stopping:
                raise
            raise CommandRefused("stopping", "the router is stopping") from None
        finally:
            self._parts.discard(task)

    async def close(self, app: web.Application) -> None:
        """The daemon stops, and its requests were cut: what is being written or taken back is waited for."""
        self._is_stopping = True
        for part in self._parts:
            part.cancel()
        if self._running:
            await asyncio.wait(self._running.values())
