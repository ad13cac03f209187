"""Starts daemons as forks of a process that has imported the router already: 0.1 s of processor time each, in place of 0.9 s.

Such a daemon is a process of its own and runs the same `main` with the words, the environment, the folder and the log that it is
given, so what tests see of it is the same. What only a start from nothing can show stays with tests that start one: of the
configuration (test_failures.py, test_shutdown.py), of the demo, of the commands of the documentation and of the wheel.

Once a test process, `start` starts this module, which imports, and forks whenever it is asked to. It ends with the test process. In the
same way `begin` starts the processes in which the router looks at plugins (`router/plugin_host/apart.py`), in place of its `_begin`.
"""

from __future__ import annotations

import fcntl
import gc
import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, NoReturn

from router.plugin_host import apart

ORDER_BYTES = 1 << 20
OF_DAEMONS = ("router.daemon", "router.deliver.send.client_httptools", "uvloop")
"""All that `serve` imports."""
OF_PLUGINS = (
    "router.testing.checks",
    "router.testing.checking.examine",
    "router.trial.in_process",
    "router.plugin_host.child",
)
"""All that looks at plugins."""
FIXED = ("PYTHONHASHSEED", "COVERAGE_PROCESS_START", "COVERAGE_PROCESS_CONFIG")
"""Variables that Python reads once, at its start."""
HIGH = 200
"""Files are put here first, so that none is where another one has to go."""


class Forked:
    """A process that was started so; of `subprocess.Popen` it has what tests use."""

    def __init__(self, starter: Starter, pid: int) -> None:
        self.pid, self.returncode = pid, None
        self._starter, self._fd = starter, os.pidfd_open(pid)

    returncode: int | None  #: once `poll` or `wait` has seen its end; below 0 the signal that ended it

    def poll(self) -> int | None:
        """The exit code, or None while it runs."""
        if self.returncode is None and select.select([self._fd], [], [], 0)[0]:
            self.returncode = self._starter.ask({"ended": self.pid})
            os.close(self._fd)
        return self.returncode

    def wait(self) -> int:
        """Wait for its end. Returns the exit code."""
        if self.returncode is None:
            select.select([self._fd], [], [])
        code = self.poll()
        assert code is not None
        return code

    def send_signal(self, number: int) -> None:
        """Send a signal, unless it was seen to have ended."""
        if self.poll() is None:
            signal.pidfd_send_signal(self._fd, number)

    def kill(self) -> None:
        """SIGKILL."""
        self.send_signal(signal.SIGKILL)


class Starter:
    """The process that forks, seen from the test process."""

    def __init__(self, environ: Mapping[str, str], modules: Sequence[str]) -> None:
        """
        Args:
            modules: what it imports.
        """
        self._ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            command = [sys.executable, "-m", "tests.flow.prepared", str(theirs.fileno()), *modules]
            self._process = subprocess.Popen(
                command, env=dict(environ), stdin=subprocess.DEVNULL, pass_fds=[theirs.fileno()]
            )

    def fork(
        self, words: Sequence[str], folder: Path, environ: Mapping[str, str], files: Mapping[int, int], first: str
    ) -> int:
        """Run the command line with these words in a new process. Returns its id.

        Args:
            files: its files: the number there, and the one here.
            first: Python that it runs before.
        """
        order = {"words": list(words), "folder": str(folder), "environ": dict(environ), "first": first}
        return self.ask({**order, "files": list(files)}, *files.values())

    def ask(self, order: Mapping[str, Any], *files: int) -> int:
        """Have something done; returns the number that answers."""
        socket.send_fds(self._ours, [json.dumps(order).encode()], files)
        answer = self._ours.recv(64)
        assert answer, "the process that starts daemons has ended"
        return int(answer)

    def close(self) -> None:
        """End it. Daemons that it has started run on."""
        self._ours.close()
        self._process.wait()


class Apart(Forked):
    """One in which the router looks at a plugin."""

    def __init__(self, starter: Starter, pid: int, stdin: int, stdout: int, stderr: int) -> None:
        super().__init__(starter, pid)
        self.stdin, self.stdout, self.stderr = os.fdopen(stdin, "wb"), os.fdopen(stdout, "rb"), os.fdopen(stderr, "rb")

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end. Returns the exit code.

        Raises:
            subprocess.TimeoutExpired: it has not ended in this time.
        """
        if self.returncode is None and not select.select([self._fd], [], [], timeout)[0]:
            raise subprocess.TimeoutExpired([], timeout or 0)
        return super().wait()


_starters: dict[tuple[str, ...], Starter] = {}


def start(
    words: Sequence[str],
    folder: Path,
    environ: Mapping[str, str],
    output: int,
    errors: int | None = None,
    first: str = "",
) -> Forked:
    """Run the command line with these words: see `Starter.fork`. Without `errors`, standard error goes to `output`."""
    starter = _starter(environ, OF_DAEMONS)
    files = {1: output, 2: output if errors is None else errors}
    return Forked(starter, starter.fork(words, folder, environ, files, first))


def begin(environ: Mapping[str, str], faults: int) -> Apart:
    """What `_begin` of `router/plugin_host/apart.py` does."""
    environ = {key: value for key, value in environ.items() if not key.startswith("COVERAGE")}  # they end by os._exit
    starter = _starter(environ, OF_PLUGINS)
    its_input, stdin = os.pipe()
    stdout, its_output = os.pipe()
    stderr, its_errors = os.pipe()
    files = {0: its_input, 1: its_output, 2: its_errors, faults: faults}
    pid = starter.fork([], Path.cwd(), environ, files, apart._BEGIN)
    for its_own in (its_input, its_output, its_errors):
        os.close(its_own)
    return Apart(starter, pid, stdin, stdout, stderr)


def _starter(environ: Mapping[str, str], modules: Sequence[str]) -> Starter:
    """The one that has imported these modules, for processes with this environment."""
    key = (*(environ.get(name, "") for name in FIXED), *modules)
    if key not in _starters:
        _starters[key] = Starter(environ, modules)
    return _starters[key]


def end() -> None:
    """End the process that forks, if there is one. To be called before the test process ends, so that its coverage is written."""
    while _starters:
        _starters.popitem()[1].close()


# ---------------------------------------------------------------- the process that forks


def serve_orders(orders: socket.socket) -> None:
    """Fork whenever the test process asks for it, until it is gone."""
    from router.cli.main import command
    from router.cli.process import run
    from router.plugin_host.discovery import GROUP

    for name in sys.argv[2:]:
        import_module(name)
    command()
    entry_points(group=GROUP)
    gc.collect()
    gc.freeze()  # a fork shares these pages; a look for garbage would copy them
    while True:
        data, files, *_ = socket.recv_fds(orders, ORDER_BYTES, 4)
        if not data:
            return
        order = json.loads(data)
        if "ended" in order:
            answer = os.waitstatus_to_exitcode(os.waitpid(order["ended"], 0)[1])
        elif answer := os.fork():
            for file in files:
                os.close(file)
        else:
            orders.close()
            _become(order, *files)
            exec(order["first"])
            sys.exit(run())
        orders.send(str(answer).encode())


def _become(order: Mapping[str, Any], *files: int) -> None:
    """Be what `python -m router WORDS` would be."""
    moved = [fcntl.fcntl(file, fcntl.F_DUPFD, HIGH) for file in files]
    for file in files:
        os.close(file)
    for file, number in zip(moved, order["files"], strict=True):
        os.dup2(file, number)
        os.close(file)
    os.chdir(order["folder"])
    os.environ.clear()
    os.environ.update(order["environ"])
    time.tzset()
    sys.path[0] = order["folder"]
    sys.argv = [str(Path(__file__).parent.parent.parent / "router/__main__.py"), *order["words"]]
    gc.unfreeze()


def _main() -> NoReturn:
    with socket.socket(fileno=int(sys.argv[1])) as orders:
        serve_orders(orders)
    sys.exit(0)


if __name__ == "__main__":
    _main()
