"""Gives the daemon its signals back where code of a plugin took them: who ignores SIGTERM would never stop."""

from __future__ import annotations

import signal
from collections.abc import Iterable
from contextlib import AbstractAsyncContextManager

from router.background import looking
from router.clock import Clock
from router.logger import Log

LOOK_S = 0.5


class SignalWatch:
    """Looks every LOOK_S. Each handler that is in force when this is made has to stay. Made and used by the main thread."""

    def __init__(self, numbers: Iterable[signal.Signals], clock: Clock, log: Log) -> None:
        self._handlers = {number: signal.getsignal(number) for number in numbers}
        self._clock, self._log = clock, log

    def watched(self) -> AbstractAsyncContextManager[None]:
        """Look now and again."""
        return looking("signals", self.look, LOOK_S, self._clock, self._log)

    def look(self) -> None:
        """Put back what was replaced."""
        for number, handler in self._handlers.items():
            if signal.getsignal(number) is not handler:
                signal.signal(number, handler)
                words = f"code of a plugin took over {number.name}: the daemon has it back"
                self._log.emit("plugin_failed", hook="", detail=words)
