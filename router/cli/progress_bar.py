"""A bar on a terminal, else a line every five seconds; on standard error."""

from __future__ import annotations

from collections.abc import Callable
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


class ProgressBar:
    """Entered for as long as the work takes.

    Args:
        columns: of the bar, from the library that is loaded on a terminal only.
        size: of the work; None where nobody knows.
        is_silent: nobody reads it.
        fields: what the columns name, until `update` is called.
    """

    def __init__(
        self,
        clock: Clock,
        columns: Callable[[Any], list[Any]],
        *,
        size: int | None = None,
        is_silent: bool = False,
        **fields: str,
    ) -> None:
        self._clock, self._columns, self._total, self._fields = clock, columns, size, fields
        self._is_silent, self._told = is_silent, clock.monotonic()
        self._bar: Any = None

    def __enter__(self) -> Self:
        console = rich_console.Console(stderr=True)
        if console.is_terminal and not self._is_silent:
            self._bar = rich_progress.Progress(*self._columns(rich_progress), console=console)
            self._task = self._bar.add_task("", total=self._total, **self._fields)
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar:
            self._bar.stop()

    def reset(self, what: str, size: int | None) -> None:
        """The next part of the work begins."""
        if self._bar:
            self._bar.reset(self._task, description=what, total=size)

    def update(self, done: int, line: Callable[[], str], **fields: str) -> None:
        """How far this part is. `line`: the same in words."""
        if self._bar:
            self._bar.update(self._task, completed=done, **fields)
        elif not self._is_silent and (now := self._clock.monotonic()) - self._told >= LINE_EVERY_S:
            self._told = now
            warn(line())
