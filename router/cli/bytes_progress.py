"""How far a work of several parts is: a bar on a terminal, else a line every five seconds; on standard error."""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from router.cli.lazy import lazy
from router.cli.output import warn
from router.clock import Clock

if TYPE_CHECKING:
    from rich import console as rich_console
    from rich import progress as rich_progress
else:
    rich_console = lazy("rich.console")
    rich_progress = lazy("rich.progress")

LINE_EVERY_S = 5.0
MOST = 99
"""Percent that are shown of a part that is not over: its size is an estimate."""


class BytesProgress:
    """Implements `router.backup.Progress`. `is_silent`: nobody reads it."""

    def __init__(self, clock: Clock, *, is_silent: bool = False) -> None:
        self._clock, self._is_silent = clock, is_silent
        self._what, self._size = "", 0
        self._told = clock.monotonic()
        self._bar: Any = None

    def __enter__(self) -> Self:
        console = rich_console.Console(stderr=True)
        if console.is_terminal and not self._is_silent:
            self._bar = _bar(console)
            self._task = self._bar.add_task("", total=None)
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar:
            self._bar.stop()

    def begin(self, what: str, size: int) -> None:
        """The next part of the work. `size`: its bytes, as far as is known."""
        self._what, self._size = what, size
        if self._bar:
            self._bar.reset(self._task, description=what, total=size or None)

    def at(self, done: int) -> None:
        """So many bytes of this part are done."""
        if self._bar:
            self._bar.update(self._task, completed=min(done, self._size))
        elif not self._is_silent and (now := self._clock.monotonic()) - self._told >= LINE_EVERY_S:
            self._told = now
            warn(f"{self._what}, {min(done * 100 // self._size, MOST)} %" if self._size else self._what)


def _bar(console: Any) -> Any:
    columns = (
        rich_progress.TextColumn("{task.description:<11}"),
        rich_progress.BarColumn(),
        rich_progress.DownloadColumn(),
        rich_progress.TimeRemainingColumn(),
    )
    return rich_progress.Progress(*columns, console=console)
