"""How far a work of several parts is, by its bytes."""

from __future__ import annotations

from typing import Any

from router.cli.parts_progress import PartsProgress
from router.clock import Clock

MOST = 99
"""Percent that are shown of a part that is not over: its size is an estimate."""


class BytesProgress(PartsProgress):
    """Implements `router.backup.Progress`. `is_silent`: nobody reads it."""

    def __init__(self, clock: Clock, *, is_silent: bool = False) -> None:
        super().__init__(clock, _columns, is_silent=is_silent)

    def at(self, done: int) -> None:
        """So many bytes of this part are done."""
        self.update(min(done, self._size), lambda: self._words(done))

    def _words(self, done: int) -> str:
        return f"{self._what}, {min(done * 100 // self._size, MOST)} %" if self._size else self._what


def _columns(rich: Any) -> list[Any]:
    of = rich.TextColumn("{task.description:<11}")
    return [of, rich.BarColumn(), rich.DownloadColumn(), rich.TimeRemainingColumn()]
