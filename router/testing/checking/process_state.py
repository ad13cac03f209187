"""What a process has once for everybody in it, and what code has changed of it."""

from __future__ import annotations

import asyncio
import builtins
import contextlib
import json
import locale
import logging
import os
import random
import signal
import socket
import ssl
import sys
import threading
import time
from collections.abc import Callable, Mapping
from types import ModuleType, TracebackType
from typing import Any, Self

__all__ = ["Changes"]

_MODULES = (asyncio, builtins, json, logging, os, random, socket, ssl, threading, time)
"""Modules of Python that everything uses. Libraries replace their functions to make what blocks wait in another way."""
_SIGNALS = sorted(signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP})


def _umask() -> int:
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


def _set_handlers(handlers: list[logging.Handler]) -> None:
    logging.getLogger().handlers[:] = handlers


def _set_signals(handlers: Mapping[int, Any]) -> None:
    if threading.current_thread() is threading.main_thread():
        for number, handler in handlers.items():
            if handler is not None and signal.getsignal(number) is not handler:
                with contextlib.suppress(OSError, ValueError):
                    signal.signal(number, handler)


def _functions() -> dict[tuple[ModuleType, str], Any]:
    return {(module, name): value for module in _MODULES for name, value in vars(module).items() if callable(value)}


def _set_functions(functions: Mapping[tuple[ModuleType, str], Any]) -> None:
    for (module, name), value in functions.items():
        setattr(module, name, value)


def _set_environment(environ: Mapping[str, str]) -> None:
    os.environ.clear()
    os.environ.update(environ)


_PARTS: Mapping[str, tuple[Callable[[], Any], Callable[[Any], object]]] = {
    "the level of the root logger": (lambda: logging.getLogger().level, logging.getLogger().setLevel),
    "the handlers of the root logger": (lambda: [*logging.getLogger().handlers], _set_handlers),
    "logging.disable": (lambda: logging.root.manager.disable, logging.disable),
    "the class of loggers": (logging.getLoggerClass, logging.setLoggerClass),
    "how TLS certificates are checked": (
        lambda: ssl._create_default_https_context,
        lambda value: setattr(ssl, "_create_default_https_context", value),
    ),
    "the umask": (_umask, os.umask),
    "the locale": (lambda: locale.setlocale(locale.LC_ALL), lambda value: locale.setlocale(locale.LC_ALL, value)),
    "the handlers of signals": (lambda: {number: signal.getsignal(number) for number in _SIGNALS}, _set_signals),
    "the time-out of sockets": (socket.getdefaulttimeout, socket.setdefaulttimeout),
    "the recursion limit": (sys.getrecursionlimit, sys.setrecursionlimit),
    "sys.excepthook": (lambda: sys.excepthook, lambda value: setattr(sys, "excepthook", value)),
    "functions of Python's own modules": (_functions, _set_functions),
    "the environment": (lambda: dict(os.environ), _set_environment),
    "the folder": (os.getcwd, os.chdir),
}
"""What it is called, how it is read, and how it is put back."""


def _differs(before: Any, now: Any) -> bool:
    """Whether something is another one. What is there beside it is not: an import may add a name to a module."""
    if isinstance(before, dict) and before.keys() <= now.keys() and all(isinstance(key, tuple) for key in before):
        return any(now[key] is not value for key, value in before.items())
    return bool(now != before)


class Changes:
    """Notices what code changes while the context is open, which may be often. It is put back."""

    def __init__(self) -> None:
        self.found: list[str] = []  #: what was changed, each once
        self._before: list[dict[str, Any]] = []

    def __enter__(self) -> Self:
        self._before.append({name: read() for name, (read, _) in _PARTS.items()})
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.taken()
        self._before.pop()

    def taken(self) -> list[str]:
        """What was changed since the last time."""
        before = self._before[-1]
        changed = [name for name, (read, _) in _PARTS.items() if _differs(before[name], read())]
        for name in changed:
            _PARTS[name][1](before[name])
        self.found += [name for name in changed if name not in self.found]
        return changed
