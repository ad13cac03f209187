"""Turns for work that takes long: one piece of it in each turn of the loop, in order of arrival. What is quick goes on in between."""

from __future__ import annotations

import asyncio
from collections import deque


class Turns:
    """Those who wait for a turn of one application."""

    def __init__(self) -> None:
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._is_running = False

    async def wait(self) -> None:
        """Return in a turn of the loop in which nobody else returns from here."""
        loop = asyncio.get_running_loop()
        mine: asyncio.Future[None] = loop.create_future()
        self._waiting.append(mine)
        if not self._is_running:
            self._is_running = True
            loop.call_soon(self._next, loop)
        await mine

    def _next(self, loop: asyncio.AbstractEventLoop) -> None:
        while self._waiting:
            one = self._waiting.popleft()
            if not one.done():  # else its request was cut
                one.set_result(None)
                loop.call_soon(self._next, loop)
                return
        self._is_running = False
