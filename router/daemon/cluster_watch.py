"""Writes into the log where nodes that share a store are not alike: when that begins, and when it becomes another thing."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager

from router.background import looking
from router.clock import Clock
from router.logger import Log
from router.store import Health

LOOK_S = 2.0
CODES = ("config_differs", "versions_differ")
"""Of problems of the store, and of the lines of the log."""


class ClusterWatch:
    """Looks every LOOK_S at what the last sign of life told."""

    def __init__(self, health: Health, clock: Clock, log: Log) -> None:
        self._health, self._clock, self._log = health, clock, log
        self._told: dict[str, str] = {}

    def watched(self) -> AbstractAsyncContextManager[None]:
        """Look now and again."""
        return looking("cluster", self.look, LOOK_S, self._clock, self._log)

    def look(self) -> None:
        """Write what was not written before."""
        found = {problem.code: problem.words for problem in self._health.problems() if problem.code in CODES}
        for code, words in found.items():
            if self._told.get(code) != words:
                self._log.emit(code, detail=words)
        self._told = found
