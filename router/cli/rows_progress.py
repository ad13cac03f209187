"""How far a work of several parts is, by its rows."""

from __future__ import annotations

from typing import Any

from router.cli.parts_progress import PartsProgress
from router.clock import Clock


class RowsProgress(PartsProgress):
    """Implements `router.store.copy.Progress`. `is_silent`: nobody reads it."""

    def __init__(self, clock: Clock, *, is_silent: bool = False) -> None:
        super().__init__(clock, _columns, is_silent=is_silent)

    def at(self, done: int) -> None:
        """So many rows of this part are done."""
        self.update(done, lambda: self._words(done))

    def _words(self, done: int) -> str:
        share = f", {done * 100 // self._size} %" if self._size else ""
        return f"{self._what}: {done:,} rows{share}"


def _columns(rich: Any) -> list[Any]:
    of = rich.TextColumn("{task.description:<13}")
    return [of, rich.BarColumn(), rich.MofNCompleteColumn(), rich.TimeRemainingColumn()]
