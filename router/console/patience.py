"""Waits for an answer as long as a page may take, and asks no question a second time while the first one is on its way."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, NamedTuple, TypeVar

from aiohttp import web

SLOW_S = 2.0
"""A page waits so long for an answer; then it shows what is there, and says that the rest is loading."""

KEPT_S = 5.0
"""A late answer waits so long for the next page that asks, which is that of the next refresh."""

T = TypeVar("T")


class _Asked(NamedTuple):
    task: asyncio.Task[Any]
    until_s: float  #: by the clock of the loop: nobody waits for it any longer


class Patience:
    """The questions that are on their way, by name."""

    def __init__(self, seconds: float = SLOW_S) -> None:
        self._seconds = seconds
        self._asked: dict[str, _Asked] = {}

    async def ask(self, name: str, question: Callable[[], Coroutine[Any, Any, T]]) -> T | None:
        """The answer; None where it takes too long: whoever asks meanwhile waits for the same one, and later for none. Raises what it
        raises."""
        loop = asyncio.get_running_loop()
        task, until_s = self._asked.get(name) or self._begin(name, question, loop)
        await asyncio.wait({task}, timeout=max(0.0, until_s - loop.time()))
        if not task.done():
            return None
        self._drop(name, task)
        answer: T = task.result()
        return answer

    def _begin(
        self, name: str, question: Callable[[], Coroutine[Any, Any, Any]], loop: asyncio.AbstractEventLoop
    ) -> _Asked:
        task = loop.create_task(question(), name=f"console-{name}")
        asked = self._asked[name] = _Asked(task, loop.time() + self._seconds)
        task.add_done_callback(lambda _: self._end(name, asked, loop))
        return asked

    def _end(self, name: str, asked: _Asked, loop: asyncio.AbstractEventLoop) -> None:
        if not asked.task.cancelled():
            asked.task.exception()  # whoever waits for it raises it; nobody may wait any more
        if loop.time() < asked.until_s:
            self._drop(name, asked.task)
        else:
            loop.call_later(KEPT_S, self._drop, name, asked.task)

    def _drop(self, name: str, task: asyncio.Task[Any]) -> None:
        if name in self._asked and self._asked[name].task is task:
            del self._asked[name]

    async def close(self, app: web.Application) -> None:
        """The daemon stops, and nobody waits any more."""
        for asked in list(self._asked.values()):
            asked.task.cancel()
