"""Starts daemons as forks of a process that has imported the router already: 0.1 s of processor time each, in place of 0.9 s.

Such a daemon is a process of its own and runs the same `main` with the words, the environment, the folder and the log that it is
given, so what tests see of it is the same. What only a start from nothing can show stays with tests that start one: of the
configuration (test_failures.py, test_shutdown.py), of the demo, of the commands of the documentation and of the wheel.

Once a test process, `start` starts this module, which imports, and forks whenever it is asked to. It ends with the test process.
"""

from __future__ import annotations

import gc
import json
import os
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, NoReturn

ORDER_BYTES = 1 << 20


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

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            command = [sys.executable, "-m", "tests.flow.prepared", str(theirs.fileno())]
            self._process = subprocess.Popen(
                command, env=dict(environ), stdin=subprocess.DEVNULL, pass_fds=[theirs.fileno()]
            )

    def fork(
        self, words: Sequence[str], folder: Path, environ: Mapping[str, str], output: int, errors: int, first: str
    ) -> Forked:
        """Run the command line with these words in a new process.

        Args:
            output: the file that its standard output goes to.
            errors: the file that its standard error goes to.
            first: a line of Python that it runs before.
        """
        order = {"words": list(words), "folder": str(folder), "environ": dict(environ), "first": first}
        return Forked(self, self.ask(order, output, errors))

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


_starters: list[Starter] = []  # at most one


def start(
    words: Sequence[str],
    folder: Path,
    environ: Mapping[str, str],
    output: int,
    errors: int | None = None,
    first: str = "",
) -> Forked:
    """Run the command line with these words: see `Starter.fork`. Without `errors`, standard error goes to `output`."""
    if not _starters:
        _starters.append(Starter(environ))
    return _starters[0].fork(words, folder, environ, output, output if errors is None else errors, first)


def end() -> None:
    """End the process that forks, if there is one. To be called before the test process ends, so that its coverage is written."""
    while _starters:
        _starters.pop().close()


# ---------------------------------------------------------------- the process that forks


def serve_orders(orders: socket.socket) -> None:
    """Fork whenever the test process asks for it, until it is gone."""
    from router.cli.main import command, main
    from router.plugin_host.discovery import GROUP

    for name in ("router.daemon", "router.deliver.send.client_httptools", "uvloop"):  # all that `serve` imports
        import_module(name)
    command()
    entry_points(group=GROUP)
    gc.collect()
    gc.freeze()  # a fork shares these pages; a look for garbage would copy them
    while True:
        data, files, *_ = socket.recv_fds(orders, ORDER_BYTES, 2)
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
            sys.exit(main())
        orders.send(str(answer).encode())


def _become(order: Mapping[str, Any], output: int, errors: int) -> None:
    """Be what `python -m router WORDS` would be."""
    for file, number in ((output, 1), (errors, 2)):
        os.dup2(file, number)
        os.close(file)
    os.chdir(order["folder"])
    os.environ.clear()
    os.environ.update(order["environ"])
    sys.path[0] = order["folder"]
    sys.argv = [str(Path(__file__).parent.parent.parent / "router/__main__.py"), *order["words"]]
    gc.unfreeze()


def _main() -> NoReturn:
    with socket.socket(fileno=int(sys.argv[1])) as orders:
        serve_orders(orders)
    sys.exit(0)


if __name__ == "__main__":
    _main()
