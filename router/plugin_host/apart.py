"""Runs what imports and calls a plugin in a process of its own: a plugin that ends its process, or hangs in it, ends nothing else."""

from __future__ import annotations

import os
import pickle
import re
import selectors
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import IO, Any

import msgspec

from router.plugin_host.printed import Printed

__all__ = ["SILENCE_S", "Died", "apart"]

SILENCE_S = 180.0
"""A process that says nothing for so long hangs. All checks of a plugin take 3 to 4 s of a processor together."""
_GRACE_S = 5.0
_BEGIN = """
import pickle, sys
sys.path[:] = pickle.load(sys.stdin.buffer)
from router.plugin_host.child import main
main()
"""
_PLACE = re.compile(r'^  File "(.+)", line (\d+) in (.+)$', re.MULTILINE)

_OF_PYTHON = str(Path(os.__file__).parent)


class Died(Exception):
    """The process has ended before its work, or hung and was ended. The words say how, and where its code was if that is known."""


def apart(
    work: Callable[..., object], *given: Any, environ: Mapping[str, str] | None = None, silence_s: float = SILENCE_S
) -> Iterator[Any]:
    """What `work(say, *given)` says in a new process: each value that it gives to `say`, as JSON.

    The beginning of what is printed there goes to standard error.

    Args:
        work: a function of a module.
        given: can be pickled.
        environ: the environment of the process, in place of that of this one.
        silence_s: it is ended when it says nothing for so long.

    Raises:
        Died: see there.
    """
    with tempfile.TemporaryFile() as faults:
        process = _begin(os.environ if environ is None else environ, faults.fileno())
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        printed = Printed(process.stderr)
        try:
            _send(process.stdin, [*sys.path], (faults.fileno(), work, given))
            for line in _lines(process.stdout, silence_s):
                if line is None:
                    process.send_signal(signal.SIGABRT)  # it writes down where its code is, and ends
                    raise Died(f"did nothing for {silence_s:g} s{_place(process, faults)}")
                told = msgspec.json.decode(line)
                if told == "end":
                    return
                yield told["said"]
            raise Died(f"{_ending(process.wait())}{_place(process, faults)}")
        finally:
            process.kill()
            process.wait()
            process.stdin.close()
            process.stdout.close()
            printed.finish()


def _begin(environ: Mapping[str, str], faults: int) -> subprocess.Popen[bytes]:
    command, pipe = [sys.executable, "-c", _BEGIN], subprocess.PIPE
    return subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, pass_fds=(faults,), env=dict(environ))


def _send(stdin: IO[bytes], *parts: object) -> None:
    try:
        for part in parts:
            stdin.write(pickle.dumps(part))
        stdin.flush()
    except BrokenPipeError:  # it has ended already, which its output says
        return


def _lines(stdout: IO[bytes], silence_s: float) -> Iterator[bytes | None]:
    """Each line; None where none came for so long."""
    rest = b""
    with selectors.DefaultSelector() as selector:
        selector.register(stdout, selectors.EVENT_READ)
        heard_at = time.monotonic()
        while True:
            if not selector.select(max(0.0, heard_at + silence_s - time.monotonic())):
                yield None
                return
            data = os.read(stdout.fileno(), 65536)
            if not data:
                return
            *lines, rest = (rest + data).split(b"\n")
            yield from lines
            heard_at = time.monotonic()


def _ending(code: int) -> str:
    if code >= 0:
        return f"ended by itself with exit code {code}, as os._exit does"
    name = signal.Signals(-code).name
    return f"was ended by {name}" + (", as the kernel does when memory is used up" if name == "SIGKILL" else "")


def _place(process: subprocess.Popen[bytes], faults: IO[bytes]) -> str:
    """Where its code was, such as ", at desk.py:41 in track"; "" where it could not say it."""
    try:
        process.wait(_GRACE_S)
    except subprocess.TimeoutExpired:
        return ""
    faults.seek(0)
    frames = _PLACE.findall(faults.read().decode("utf-8", "replace"))
    own = [frame for frame in frames if not frame[0].startswith((_OF_PYTHON, "<frozen"))]
    return next((f", at {Path(file).name}:{line} in {name}" for file, line, name in own), "")
