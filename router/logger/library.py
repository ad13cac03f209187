"""What others write while the daemon runs becomes lines: records of libraries, and exceptions that nobody can catch."""

from __future__ import annotations

import contextlib
import logging
import sys
import threading
import traceback
from collections.abc import Callable, Collection, Iterator

from router.logger.events import LEVELS
from router.logger.log import Log


def _own() -> Collection[str]:
    return ("router",)


@contextlib.contextmanager
def library_lines(
    log: Log, redact: Callable[[str], str] = str, own: Callable[[], Collection[str]] = _own
) -> Iterator[None]:
    """For as long as it lasts, what libraries and plugins log becomes lines of this log, and so do Python's warnings.

    So does an exception in a thread or a finaliser, which the interpreter would print with whatever secret it quotes. Lines
    that wait are written at the end.

    Args:
        redact: takes secrets out of a text.
        own: the packages whose lines count from the log's own level on. Those of all others count from warning on: aiosqlite
            logs what it writes at debug, with the traits of users in it.
    """
    root, handler = logging.getLogger(), _LibraryHandler(log, redact, own)
    before = root.level, sys.unraisablehook, threading.excepthook
    root.addHandler(handler)
    root.setLevel(LEVELS[log.level])
    sys.unraisablehook, threading.excepthook = handler.unraisable, handler.in_thread
    logging.captureWarnings(True)  # such as of a plugin's coroutine that nobody awaits
    try:
        yield
    finally:
        logging.captureWarnings(False)
        level, sys.unraisablehook, threading.excepthook = before
        root.setLevel(level)
        root.removeHandler(handler)
        log.flush()


class _LibraryHandler(logging.Handler):
    """Passes records of the standard library's logging on to a Log."""

    def __init__(self, log: Log, redact: Callable[[str], str], own: Callable[[], Collection[str]]) -> None:
        super().__init__()
        self._log, self._redact, self._own = log, redact, own

    def emit(self, record: logging.LogRecord) -> None:
        if record.levelno < logging.WARNING and record.name.partition(".")[0] not in self._own():
            return
        level = next((name for name, number in reversed(LEVELS.items()) if record.levelno >= number), "debug")
        try:
            message = record.getMessage()
        except (TypeError, ValueError):
            message = str(record.msg)
        self._tell(level, record.name, message, record.exc_info[1] if record.exc_info else None)

    def unraisable(self, args: sys.UnraisableHookArgs) -> None:
        """An exception in a finaliser."""
        self._tell("error", "python", args.err_msg or "exception ignored in a finaliser", args.exc_value)

    def in_thread(self, args: threading.ExceptHookArgs) -> None:
        """An exception that ended a thread."""
        if args.exc_type is not SystemExit:
            name = args.thread.name if args.thread is not None else "unknown"
            self._tell("error", "python", f"exception in thread {name}", args.exc_value)

    def _tell(self, level: str, name: str, message: str, error: BaseException | None) -> None:
        told = {}
        if error is not None:
            told["error"] = self._redact(f"{type(error).__name__}: {error}")
            told["exception"] = self._redact("".join(traceback.format_exception(error)))
        self._log.library(level, name, self._redact(message), **told)
