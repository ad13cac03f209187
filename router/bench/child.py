"""The processes of a benchmark seen from outside: started on their cores, listened to, ended. `process` is the inside."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

import msgspec

T = TypeVar("T")

CORES = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else [0]
SERVER_CORE, CLIENT_CORE = (CORES[0], CORES[1]) if len(CORES) > 1 else (None, None)
STOP_S = 60.0


class Child:
    """A process of this package; it has ended when the context is left."""

    def __init__(self, role: str, core: int | None, log: Path | None = None, **arguments: object) -> None:
        self.role = role
        self._command = [sys.executable, "-m", "router.bench.process", role]
        self._command.append(msgspec.json.encode({"core": core, **arguments}).decode())
        self._log = log
        self._process: subprocess.Popen[bytes]

    def __enter__(self) -> Self:
        errors = self._log.open("ab") if self._log else None
        try:
            # the daemon's own lines go to the log too
            out = errors if self.role == "daemon" and errors else subprocess.PIPE
            self._process = subprocess.Popen(
                self._command, stdin=subprocess.PIPE, stdout=out, stderr=errors, env=_environment()
            )
        finally:
            if errors:
                errors.close()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process.stdin:
            self._process.stdin.close()  # what a server of this package ends with
        try:
            self._process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if self._process.stdout:
            self._process.stdout.close()

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    @property
    def running(self) -> bool:
        """Whether it has not ended."""
        return self._process.poll() is None

    def says(self, kind: type[T]) -> T:
        """Its next line. Raises RuntimeError when it ended without."""
        line = self._process.stdout.readline() if self._process.stdout else b""
        if not line:
            raise RuntimeError(f"the process for {self.role} ended with {self._process.wait(STOP_S)} and said nothing")
        return msgspec.json.decode(line, type=kind)

    def tell(self, words: object) -> None:
        """Write it a line."""
        if self._process.stdin:
            self._process.stdin.write(msgspec.json.encode(words) + b"\n")
            self._process.stdin.flush()

    def restart_killed(self) -> None:
        """SIGKILL it, and start the same again."""
        self._process.kill()
        self.__exit__(None, None, None)
        self.__enter__()

    def terminate(self) -> int:
        """Ask it to end in good order; returns its exit code."""
        self._process.terminate()
        return self._process.wait(STOP_S)


def _environment() -> dict[str, str]:
    """That of this process, but byte code is kept as where the router is installed: a start would compile all of it else."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


def call(role: str, core: int | None, kind: type[T], **arguments: object) -> T:
    """Run a task in a process of its own and return its result."""
    with Child(role, core, None, **arguments) as child:
        return child.says(kind)
