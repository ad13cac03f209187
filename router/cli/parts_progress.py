"""How far a work of several parts is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from router.cli.progress_bar import ProgressBar
from router.clock import Clock


class PartsProgress(ProgressBar):
    """One part after the other. `columns`: see `ProgressBar`. `is_silent`: nobody reads it."""

    def __init__(self, clock: Clock, columns: Callable[[Any], list[Any]], *, is_silent: bool = False) -> None:
        super().__init__(clock, columns, is_silent=is_silent)
        self._what, self._size = "", 0

    def begin(self, what: str, size: int) -> None:
        """The next part of the work. `size`: of it, in what `at` counts; 0 where nobody knows."""
        self._what, self._size = what, size
        self.reset(what, size or None)
