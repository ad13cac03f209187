"""Whose code is running: what the frames below a call say of it."""

from __future__ import annotations

import builtins
import signal
from pathlib import Path
from types import FrameType
from typing import Any

from router.plugin_host import interrupts
from router.testing.checking.watched_calls import INFRASTRUCTURE, RETURNS_AT_ONCE

__all__ = ["is_import", "is_of", "is_own_business", "is_within", "place_in_code", "returns_at_once"]

MAX_FRAMES = 40


def is_own_business(function: Any, frame: FrameType, package: str) -> bool:
    """Whether a call that looks odd is none: a time stamp of a log line, `hash` inside of a library or in `__hash__`, Ctrl-C."""
    module = frame.f_globals.get("__name__", "")
    if module == signal.__name__ and frame.f_back is not None:
        return frame.f_back.f_globals.get("__name__") == interrupts.__name__
    if function is builtins.hash:
        return frame.f_code.co_name == "__hash__" or not is_of(module, package)
    return module.partition(".")[0] in ("logging", "structlog") or _is_by_router(frame, package)


def _is_by_router(frame: FrameType | None, package: str) -> bool:
    """Whether the plugin asked the router for something, such as to send, and the router did this."""
    looked = 0
    while frame is not None and looked < MAX_FRAMES:
        module = frame.f_globals.get("__name__", "")
        if is_of(module, package) or is_of(module, "router"):
            return not is_of(module, package)
        frame, looked = frame.f_back, looked + 1
    return False


def is_of(module: str, package: str) -> bool:
    """Whether a module is in a package, or it itself."""
    return module == package or module.startswith(f"{package}.")


def returns_at_once(frame: FrameType) -> bool:
    """Whether a function that may wait does not, or is called by what Python's own threads and queues are made of."""
    caller = frame.f_back.f_globals.get("__name__", "") if frame.f_back is not None else ""
    if caller.partition(".")[0] in INFRASTRUCTURE:
        return True
    returns = RETURNS_AT_ONCE.get(frame.f_code)
    return returns is not None and returns(frame.f_locals)


def is_within(package: str, frame: FrameType | None) -> bool:
    looked = 0
    while frame is not None and looked < MAX_FRAMES:
        if frame.f_globals.get("__name__", "").partition(".")[0] == package:
            return True
        frame, looked = frame.f_back, looked + 1
    return False


def is_import(frame: FrameType | None) -> bool:
    """Whether an import looks at the machine: the first call of a hook may import what it needs."""
    looked = 0
    while frame is not None and looked < MAX_FRAMES:
        if frame.f_code.co_filename.startswith("<frozen importlib"):
            return True
        frame, looked = frame.f_back, looked + 1
    return False


def place_in_code(frame: FrameType | None, package: str) -> str:
    """Where the plugin did it; where that cannot be told, the next frame."""
    nearest, looked = frame, 0
    while frame is not None and looked < MAX_FRAMES:
        if is_of(frame.f_globals.get("__name__", ""), package):
            nearest = frame
            break
        frame, looked = frame.f_back, looked + 1
    return "another thread" if nearest is None else f"{Path(nearest.f_code.co_filename).name}:{nearest.f_lineno}"
