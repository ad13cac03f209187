"""Waits for an answer as long as a page may take, and asks no question a second time while the first one is on its way."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from aiohttp import web

SLOW_S = 2.0
"""A page waits so long for an answer; then it shows what is there, and says that the rest is loading."""

T = TypeVar("T")


class Patience:
    """The questions that are on their way, by name."""

    def __init__(self, seconds: float = SLOW_S) -> None:
        self._seconds = seconds
        self._tasks: dict[str, asyncio.Task[Any]] = {}

    async def ask(self, name: str, question: Callable[[], Coroutine[Any, Any, T]]) -> T | None:
        """The answer; None where it takes too long: whoever asks meanwhile waits for the same one. Raises what it raises."""
        task = self._tasks.get(name)
        if task is None:
            task = self._tasks[name] = asyncio.create_task(question(), name=f"console-{name}")
            task.add_done_callback(lambda done: self._end(name, done))
        await asyncio.wait({task}, timeout=self._seconds)
        if not task.done():
            return None
        answer: T = task.result()
        return answer

    def _end(self, name: str, done: asyncio.Task[Any]) -> None:
        self._tasks.pop(name, None)
        if not done.cancelled():
            done.exception()  # whoever waits for it raises it; nobody may wait any more

    async def close(self, app: web.Application) -> None:
        """The daemon stops, and nobody waits any more."""
        for task in list(self._tasks.values()):
            task.cancel()
