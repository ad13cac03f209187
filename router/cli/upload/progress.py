"""How far it is: a bar on a terminal, else a line every five seconds; on standard error."""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from router.cli.lazy import lazy
from router.cli.output import warn
from router.clock import Clock
from router.explain.figures import count

if TYPE_CHECKING:
    from rich import console as rich_console
    from rich import progress as rich_progress
else:
    rich_console = lazy("rich.console")
    rich_progress = lazy("rich.progress")

LINE_EVERY_S = 5.0


class Progress:
    """Shows calls, rate and the part of the file.

    Args:
        size: bytes of the file; None where nobody knows.
        read: how many of them were read.
    """

    def __init__(self, clock: Clock, size: int | None, read: Callable[[], int]) -> None:
        self._clock, self._size, self._read = clock, size, read
        self._began = self._told = clock.monotonic()
        self._bar: Any = None

    def __enter__(self) -> Self:
        console = rich_console.Console(stderr=True)
        if console.is_terminal:
            self._bar = _bar(console)
            self._task = self._bar.add_task("", total=self._size, calls=0, rate=0)
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar:
            self._bar.stop()

    def seconds(self) -> float:
        """Since it began; never 0."""
        return max(self._clock.monotonic() - self._began, 0.001)

    def show(self, calls: int) -> None:
        """Tell, if it is time to. `calls`: acknowledged since it began."""
        rate = int(calls / self.seconds())
        if self._bar:
            self._bar.update(self._task, completed=self._read(), calls=f"{calls:,}", rate=f"{rate:,}")
        elif (now := self._clock.monotonic()) - self._told >= LINE_EVERY_S:
            self._told = now
            part = f", {self._read() * 100 // self._size} % of the file" if self._size else ""
            warn(f"{count(calls, 'call')} acknowledged, {rate:,}/s{part}")


def _bar(console: Any) -> Any:
    calls = rich_progress.TextColumn("{task.fields[calls]} calls")
    rate = rich_progress.TextColumn("{task.fields[rate]}/s")
    columns = [rich_progress.BarColumn(), calls, rate, rich_progress.TimeRemainingColumn()]
    return rich_progress.Progress(*columns, console=console)
