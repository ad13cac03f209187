"""The signals of the daemon before its loop runs and after it: they must neither kill it half-way nor change its exit code."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)


@contextmanager
def signals_around_the_loop() -> Iterator[None]:
    """Before: a stop is an exit with 0, and a reload has nothing to do, as config.toml is only being read. After: all is
    closed, and a late stop is ignored. Where this ends with an error, the signals are again what they were."""
    handlers: dict[signal.Signals, Callable[[int, FrameType | None], Any] | signal.Handlers] = {
        **dict.fromkeys(STOP_SIGNALS, _leave),
        signal.SIGHUP: signal.SIG_IGN,
    }
    before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    try:
        yield
    except BaseException:
        for number, handler in before.items():
            signal.signal(number, handler)
        raise
    for number in STOP_SIGNALS:
        signal.signal(number, signal.SIG_IGN)


def _leave(number: int, frame: FrameType | None) -> None:
    os._exit(0)  # an exception might end in the hands of a plugin's module that is being read
