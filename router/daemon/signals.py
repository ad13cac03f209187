"""Every signal of the daemon: before its loop runs, while it runs, and after it. What a stop does is in `shutdown.py`.

Before and after the loop a signal must neither kill the process half-way nor change its exit code.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)
RELOAD_SIGNAL = signal.SIGHUP
OURS = (*STOP_SIGNALS, RELOAD_SIGNAL)


@contextmanager
def signals_around_the_loop() -> Iterator[None]:
    """Before the loop, a stop exits with 0, and a reload does nothing: config.toml is only being read. After the loop, all is
    closed, and a late stop is ignored. When this is left with an error, the former handlers are back in place."""
    handlers: dict[signal.Signals, Callable[[int, FrameType | None], Any] | signal.Handlers] = {
        **dict.fromkeys(STOP_SIGNALS, _exit),
        RELOAD_SIGNAL: signal.SIG_IGN,
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


def handle_signals(stop: Callable[[str], None], hurry: Callable[[], None], reload: Callable[[], None]) -> None:
    """While the running loop runs: SIGTERM and SIGINT call `stop` with their name, SIGHUP calls `reload`.

    Args:
        hurry: called at once at SIGTERM and SIGINT, also while a hook holds the loop.
    """
    loop = asyncio.get_running_loop()

    def asked(number: int, frame: FrameType | None) -> None:
        hurry()
        with contextlib.suppress(RuntimeError):  # the loop has ended
            loop.call_soon_threadsafe(stop, signal.Signals(number).name)

    for number in STOP_SIGNALS:
        signal.signal(number, asked)
    loop.add_signal_handler(RELOAD_SIGNAL, reload)


def _exit(number: int, frame: FrameType | None) -> None:
    os._exit(0)  # plugins are being imported, and one of them might catch an exception raised here
