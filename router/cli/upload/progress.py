"""How far a file is: calls, rate and the part of the file."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from router.cli.progress_bar import ProgressBar
from router.clock import Clock
from router.explain.figures import count


class Progress(ProgressBar):
    """Told of each window.

    Args:
        size: bytes of the file; None where nobody knows.
        read: how many of them were read.
    """

    def __init__(self, clock: Clock, size: int | None, read: Callable[[], int]) -> None:
        super().__init__(clock, _columns, size=size, calls="0", rate="0")
        self._size, self._read, self._began = size, read, clock.monotonic()

    def seconds(self) -> float:
        """Since it began; never 0."""
        return max(self._clock.monotonic() - self._began, 0.001)

    def show(self, calls: int) -> None:
        """Tell, if it is time to. `calls`: acknowledged since it began."""
        rate = f"{int(calls / self.seconds()):,}"
        self.update(self._read(), lambda: self._words(calls, rate), calls=f"{calls:,}", rate=rate)

    def _words(self, calls: int, rate: str) -> str:
        part = f", {self._read() * 100 // self._size} % of the file" if self._size else ""
        return f"{count(calls, 'call')} acknowledged, {rate}/s{part}"


def _columns(rich: Any) -> list[Any]:
    calls, rate = rich.TextColumn("{task.fields[calls]} calls"), rich.TextColumn("{task.fields[rate]}/s")
    return [rich.BarColumn(), calls, rate, rich.TimeRemainingColumn()]
