"""Gives the daemon its signals back where code of a plugin took them: who ignores SIGTERM would never stop."""

from __future__ import annotations

import signal
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager

from router.background import beside
from router.clock import Clock
from router.logger import Log

LOOK_S = 0.5


class SignalWatch:
    """Looks every LOOK_S. Each handler that is in force when this is made has to stay. Made and used by the main thread."""

    def __init__(self, numbers: Iterable[signal.Signals], clock: Clock, log: Log) -> None:
        self._handlers = {number: signal.getsignal(number) for number in numbers}
        self._clock, self._log = clock, log

    @asynccontextmanager
    async def watched(self) -> AsyncIterator[None]:
        """Look now and again."""
        async with beside("signals", self._watch, self._clock, self._log):
            yield

    async def _watch(self) -> None:
        while True:
            self.look()
            await self._clock.sleep(LOOK_S)

    def look(self) -> None:
        """Put back what was replaced."""
        for number, handler in self._handlers.items():
            if signal.getsignal(number) is not handler:
                signal.signal(number, handler)
                words = f"code of a plugin took over {number.name}: the daemon has it back"
                self._log.emit("plugin_failed", hook="", detail=words)
