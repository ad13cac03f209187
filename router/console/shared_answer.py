"""An answer that all pages show when they refresh: asked for once, not by each of them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

GOOD_S = 0.9
"""How long it is good: a page refreshes once a second, so one that is alone asks each time."""


class SharedNumber:
    """It, and until when it is good."""

    def __init__(self) -> None:
        self._number, self._good_until = 0, 0.0
        self._asking = asyncio.Lock()

    async def of(self, ask: Callable[[], Awaitable[int]]) -> int:
        """The number, asked for if it is old."""
        time = asyncio.get_running_loop().time
        async with self._asking:  # whoever waits finds a new number then
            if time() >= self._good_until:
                self._number = await ask()
                self._good_until = time() + GOOD_S
            return self._number
