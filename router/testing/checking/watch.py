"""What code does while it runs, as far as Python says: clocks, chance, waiting, files and sockets, threads and tasks, the process.

Garbage is not collected meanwhile: a collection runs finalisers and callbacks of other code (Hypothesis reads the clock in one), which would
be counted as the plugin's.

There are two sources. Audit events name what touches the machine. Profile events name each function of C that Python code calls,
however it was imported: `time.time`, `datetime.now`, `os.urandom`. What C code calls by itself is not seen.
"""

from __future__ import annotations

import errno
import gc
import os
import signal
import sys
import threading
import time
import zoneinfo
from collections.abc import Callable, Mapping
from types import BuiltinFunctionType, FrameType, TracebackType
from typing import Any, NamedTuple, Self

from router.testing.checking.frames import is_import, is_of, is_own_business, is_within, place_in_code, returns_at_once
from router.testing.checking.watched_calls import (
    CALLS,
    CLOCK,
    DEADLY,
    FUNCTIONS,
    HARMLESS,
    IO,
    IO_EVENTS,
    IO_FAMILIES,
    NOW,
    PROCESS,
    PROCESS_EVENTS,
    SLEEP,
    WAIT,
)

__all__ = ["Use", "Watch"]

MAX_USES = 200
_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_TRUNC
_HANDLED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Use(NamedTuple):
    """One thing that code did."""

    kind: str
    what: str
    where: str  #: file and line of the plugin, or of what it called

    def __str__(self) -> str:
        return f"{self.what} at {self.where}"


_watching: list[Watch] = []
_installed: list[bool] = []
"""Python takes no audit hook back, so there is one for all watches; it does nothing while none is open."""


class Watch:
    """Notes what the code of a plugin does while the context is open, which may be often. `time.sleep` returns at once in it."""

    def __init__(
        self,
        package: str,
        kinds: frozenset[str],
        *,
        refuse: bool = True,
        all_threads: bool = False,
        profile: bool = True,
    ) -> None:
        """
        Args:
            package: of the plugin: the place of a use is looked for there.
            kinds: what is noted.
            refuse: nothing may be reached outside: no socket, no other process, no writing of files.
            all_threads: of all threads of the process, not only of this one.
            profile: False where time is measured: then only audit events are noted, and nothing traces the code, no watch around this one either.
        """
        self.uses: list[Use] = []
        self.refusals: list[Use] = []  #: what was refused of them
        self._package, self._kinds, self._refuse, self._all_threads = package, kinds, refuse, all_threads
        self._profiles = profile
        self._thread = 0
        self._collected = True
        self._profile_before: Any = None
        self._trace_before: Any = None
        self._handlers: dict[signal.Signals, Any] = {}
        self._stand_ins: Mapping[Any, Any] = {
            SLEEP: self._sleep,
            **{function: self._refusing(function, words) for function, words in DEADLY.items()},
            **{function: self._reading(function, *told) for function, told in NOW.items()},
        }
        self._places = _places_in(package, self._stand_ins)
        self._replaced: list[tuple[dict[str, Any], str, Any]] = []

    def __enter__(self) -> Self:
        if not _installed:
            sys.addaudithook(_on_audit)
            _installed.append(True)
        self._thread = threading.get_ident()
        self._collected = gc.isenabled()
        gc.disable()
        self._handlers = {number: signal.getsignal(number) for number in _HANDLED}
        self._replaced = [(place, name, place[name]) for place, name, _ in self._places]
        for place, name, function in self._places:
            place[name] = self._stand_ins[function]
        _watching.append(self)
        self._profile_before, self._trace_before = sys.getprofile(), sys.gettrace()
        sys.setprofile(self._on_profile if self._profiles else None)
        if not self._profiles:  # coverage and debuggers make a hook up to four times slower
            sys.settrace(None)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        sys.setprofile(self._profile_before)
        if not self._profiles:
            sys.settrace(self._trace_before)
        if self._collected:
            gc.enable()
        _watching.remove(self)
        for place, name, before in self._replaced:
            place[name] = before
        if threading.current_thread() is threading.main_thread():
            for number, handler in self._handlers.items():
                if signal.getsignal(number) is not handler:
                    signal.signal(number, handler)

    def taken(self) -> tuple[list[Use], bool]:
        """The uses since the last time, and whether any of them was refused."""
        taken, refused = self.uses, bool(self.refusals)
        self.uses, self.refusals = [], []
        return taken, refused

    def note(self, kind: str, what: str, frame: FrameType | None) -> None:
        """Remember a use, once for each place."""
        if kind in self._kinds and len(self.uses) < MAX_USES:
            use = Use(kind, what, place_in_code(frame, self._package))
            if use not in self.uses:
                self.uses.append(use)

    def _sleep(self, seconds: float) -> None:
        if threading.get_ident() != self._thread:
            SLEEP(seconds)
            return
        self.note(WAIT, f"time.sleep({seconds!r})", sys._getframe(1))

    def _refusing(self, function: Any, words: str) -> Callable[..., None]:
        """In place of a function that ends the process."""

        def refuse(*given: object) -> None:
            self.note(PROCESS, words, sys._getframe(1))
            self._say_no(words, sys._getframe(1), PROCESS)

        return refuse

    def _reading(self, function: Any, words: str, at: int) -> Callable[..., Any]:
        """In place of a function that reads the clock where it is not told a time."""

        def read(*given: Any) -> Any:
            frame = sys._getframe(1)
            if given[at : at + 1] in ((), (None,)) and not is_own_business(function, frame, self._package):
                self.note(CLOCK, words, frame)
            return function(*given)

        return read

    def _on_profile(self, frame: FrameType, event: str, arg: Any) -> None:
        if event == "c_call":
            told = CALLS.get(arg)
            if told is not None and not is_own_business(arg, frame, self._package) and not is_import(frame):
                self.note(*told, frame)
        elif (
            event == "call"
            and (told := FUNCTIONS.get(frame.f_code))
            and not (told[0] == WAIT and returns_at_once(frame))
            and not is_import(frame)
        ):
            self.note(*told, frame.f_back)

    def on_audit(self, event: str, args: tuple[Any, ...]) -> None:
        """An audit event while this watch is open. Raises OSError for what is refused."""
        if not self._all_threads and threading.get_ident() != self._thread:
            return
        what = _shown(event, args)
        if is_import(sys._getframe(2)) or (event == "open" and _is_harmless_to_open(args)):
            return
        if event in PROCESS_EVENTS:
            self.note(PROCESS, what, sys._getframe(2))
            if event in ("os.kill", "os.killpg"):
                self._say_no(what, sys._getframe(2), PROCESS)
            return
        self.note(IO, what, sys._getframe(2))
        if self._refuse and event not in HARMLESS and not (event == "open" and not _writes(args)):
            self._say_no(what, sys._getframe(2))

    def _say_no(self, what: str, frame: FrameType | None, kind: str = IO) -> None:
        if len(self.refusals) < MAX_USES:
            self.refusals.append(Use(kind, what, place_in_code(frame, self._package)))
        code = errno.ECONNREFUSED if what.startswith("socket.") else errno.EPERM
        raise OSError(code, f"refused by the conformance checks: {what}")


def _on_audit(event: str, args: tuple[Any, ...]) -> None:
    if _watching and (event in IO_EVENTS or event in PROCESS_EVENTS or event.partition(".")[0] in IO_FAMILIES):
        for watch in _watching[:]:
            watch.on_audit(event, args)


def _is_harmless_to_open(args: tuple[Any, ...]) -> bool:
    """Whether it is nothing, or the file of a time zone, which a ZoneInfo reads once."""
    path = args[0]
    if path == os.devnull:
        return True
    is_zone = isinstance(path, str) and path.startswith((*(f"{place}/" for place in zoneinfo.TZPATH),))
    return (is_zone or is_within("zoneinfo", sys._getframe(3))) and not _writes(args)


def _writes(args: tuple[Any, ...]) -> bool:
    return isinstance(args[2], int) and bool(args[2] & _WRITES)


def _shown(event: str, args: tuple[Any, ...]) -> str:
    words = [repr(arg) for arg in args[:2] if isinstance(arg, str | bytes | int | tuple | os.PathLike)]
    return f"{event}({', '.join(words)[:200]})"


def _places_in(package: str, functions: Mapping[Any, Any]) -> list[tuple[dict[str, Any], str, Any]]:
    """Every place in the plugin that holds one of these functions, and in the modules that they are of: its names, the name, the function."""
    own = [vars(module) for name, module in list(sys.modules.items()) if is_of(name, package)]
    places = [*map(vars, (os, signal, time)), *own]
    return [
        (names, name, value)
        for names in places
        for name, value in list(names.items())
        if isinstance(value, BuiltinFunctionType) and value in functions
    ]
