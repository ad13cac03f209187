"""What the audit and profile events of Python say of code: tables for `watch`."""

from __future__ import annotations

import _locale
import asyncio
import builtins
import concurrent.futures
import os
import queue
import random
import signal
import socket
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from datetime import date, datetime
from importlib import import_module
from typing import Any

IO, CLOCK, CHANCE, HASH, WAIT, START, PROCESS, SURROUNDINGS = (
    "io",
    "clock",
    "chance",
    "hash",
    "wait",
    "start",
    "process",
    "surroundings",
)
SLEEP, A_SECOND_S = time.sleep, 1.1
"""To wait until every clock that counts seconds shows another one."""
_signal: Any = import_module("_signal")  # what `signal` calls

_CLOCKS = (
    "time", "time_ns", "monotonic", "monotonic_ns", "perf_counter", "perf_counter_ns", "process_time", "process_time_ns", "thread_time",
    "thread_time_ns", "clock_gettime", "clock_gettime_ns",
)  # fmt: skip
CALLS: Mapping[Any, tuple[str, str]] = {
    **{getattr(time, name): (CLOCK, f"time.{name}()") for name in _CLOCKS},
    datetime.now: (CLOCK, "datetime.now()"),
    datetime.utcnow: (CLOCK, "datetime.utcnow()"),
    datetime.today: (CLOCK, "datetime.today()"),
    date.today: (CLOCK, "date.today()"),
    os.urandom: (CHANCE, "os.urandom()"),
    random.random: (CHANCE, "random.random()"),
    random.getrandbits: (CHANCE, "random"),
    builtins.hash: (HASH, "hash(), which gives another number for the same text after a restart"),
    **{
        getattr(os, name): (SURROUNDINGS, f"os.{name}()")
        for name in ("uname", "getpid", "getppid", "getcwd", "cpu_count", "getlogin", "getloadavg")
    },
    **{
        getattr(os, name): (PROCESS, f"os.{name}()")
        for name in ("nice", "setpriority", "setuid", "setgid", "setsid", "setpgid", "chroot")
        if hasattr(os, name)
    },
    SLEEP: (WAIT, "time.sleep()"),
    _signal.signal: (PROCESS, "signal.signal()"),
    _signal.set_wakeup_fd: (PROCESS, "signal.set_wakeup_fd()"),
    _locale.setlocale: (PROCESS, "locale.setlocale()"),
    socket.setdefaulttimeout: (PROCESS, "socket.setdefaulttimeout()"),
}
"""Functions of C, and what a call of them means."""
DEADLY: Mapping[Any, str] = {
    os._exit: "os._exit()",
    os.abort: "os.abort()",
    signal.raise_signal: "signal.raise_signal()",
    **{
        getattr(signal, name): f"signal.{name}()"
        for name in ("alarm", "setitimer", "pthread_kill")
        if hasattr(signal, name)
    },
}
"""Functions that end the process; they are refused."""
NOW: Mapping[Any, tuple[str, int]] = {
    time.gmtime: ("time.gmtime()", 0),
    time.localtime: ("time.localtime()", 0),
    time.ctime: ("time.ctime()", 0),
    time.asctime: ("time.asctime()", 0),
    time.strftime: ("time.strftime()", 1),
}
"""Functions that read the clock where they are given no time, and before which argument that is."""
FUNCTIONS: Mapping[Any, tuple[str, str]] = {
    asyncio.BaseEventLoop.create_task.__code__: (START, "a task"),
    threading.Thread.start.__code__: (START, "a thread"),
    uuid.uuid1.__code__: (CHANCE, "uuid.uuid1()"),
    type(os.environ).__getitem__.__code__: (SURROUNDINGS, "os.environ"),
    threading.Event.wait.__code__: (WAIT, "threading.Event.wait()"),
    threading.Condition.wait.__code__: (WAIT, "threading.Condition.wait()"),
    threading.Thread.join.__code__: (WAIT, "threading.Thread.join()"),
    queue.Queue.get.__code__: (WAIT, "queue.Queue.get()"),
    concurrent.futures.Future.result.__code__: (WAIT, "concurrent.futures.Future.result()"),
    concurrent.futures.Future.exception.__code__: (WAIT, "concurrent.futures.Future.exception()"),
}
"""The code of functions of Python, and what a call of them means."""
RETURNS_AT_ONCE: Mapping[Any, Callable[[Mapping[str, Any]], bool]] = {
    threading.Event.wait.__code__: lambda given: given["self"].is_set(),
    threading.Thread.join.__code__: lambda given: not given["self"].is_alive(),
    queue.Queue.get.__code__: lambda given: not given["block"] or not given["self"].empty(),
    concurrent.futures.Future.result.__code__: lambda given: given["self"].done(),
    concurrent.futures.Future.exception.__code__: lambda given: given["self"].done(),
}
"""Of those that wait: whether a call with these arguments does not."""
INFRASTRUCTURE = {"threading", "queue", "concurrent", "asyncio", "logging", "multiprocessing"}
"""Packages of Python that wait for a moment by themselves, such as for a thread to begin."""

IO_FAMILIES = (
    "socket", "subprocess", "shutil", "sqlite3", "urllib", "http", "ftplib", "smtplib", "imaplib", "glob", "tempfile", "fcntl",
)  # fmt: skip
"""What the names of audit events begin with."""
IO_EVENTS = {
    "open", "builtins.input", "os.chmod", "os.chown", "os.exec", "os.fork", "os.forkpty", "os.link", "os.listdir", "os.lockf", "os.mkdir",
    "os.posix_spawn", "os.remove", "os.rename", "os.rmdir", "os.scandir", "os.spawn", "os.symlink", "os.system", "os.truncate",
    "os.utime", "os.walk",
}  # fmt: skip
PROCESS_EVENTS = {
    "os.chdir",
    "os.fchdir",
    "os.putenv",
    "os.unsetenv",
    "os.kill",
    "os.killpg",
    "resource.setrlimit",
    "resource.prlimit",
}
HARMLESS = {"socket.__new__", "socket.gethostname", "glob.glob", "glob.glob/2", "os.listdir", "os.scandir", "os.walk"}
"""Looks at the machine and reaches nothing: never refused."""
