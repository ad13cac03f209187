"""Turns of the event loop that work for pages takes: one after the other, and after each a gap in which events are accepted."""

from __future__ import annotations

import asyncio

GAP = 8
"""The gap after a piece of work is so many times as long: all pages together take at most a ninth of the loop's time, and an event never waits
for two pieces in a row."""

VIEW_S, RENDER_S, ROWS_S, SEND_S = 0.0002, 0.0003, 0.0003, 0.0001
"""What a piece of work takes, as measured: to see what a page asks for, to render it, to make a few rows, to send it to one browser."""


class Turns:
    """Who waits gets the next one in the order of asking."""

    def __init__(self) -> None:
        self._queue = asyncio.Lock()
        self._free_s = 0.0  #: by the clock of the loop

    async def take(self, work_s: float) -> None:
        """Wait for a turn that takes about so long."""
        time = asyncio.get_running_loop().time
        async with self._queue:
            await asyncio.sleep(max(0.0, self._free_s - time()))
            self._free_s = time() + GAP * work_s
