"""A parent that holds the daemon's sockets, as systemd does: the daemon comes and goes, the sockets stay.

As a program it is what runs between the fork and the daemon: it puts the descriptors where `sd_listen_fds` has them.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.flow.harness import Daemon, Table, environment, serve_command

FIRST_FD = 3


class Held(Daemon):
    """A daemon whose two sockets are held for it."""

    def __init__(self, folder: Path, destinations: Sequence[Table]) -> None:
        super().__init__(folder, destinations)
        self.names = "ingest:admin"
        self.sockets: list[socket.socket] = []

    def listen(self) -> None:
        """Listen on both ports, whether the daemon runs or not."""
        for port in (self.port, self.admin_port):
            one = socket.socket()
            self.sockets.append(one)
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # its port is held by the harness
            one.bind(("127.0.0.1", port))
            one.listen(4096)

    async def __aenter__(self) -> Self:
        self.listen()
        try:
            return await super().__aenter__()
        except BaseException:
            self.close()
            raise

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            await super().__aexit__(kind, error, trace)
        finally:
            self.close()

    def close(self) -> None:
        """Listen no more."""
        for one in self.sockets:
            one.close()

    def spawn(self) -> None:
        numbers = [one.fileno() for one in self.sockets]
        environ = {
            **environment(),
            "LISTEN_FDNAMES": self.names,
            "PASSED": " ".join(map(str, numbers)),
        }
        with self._log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, __file__, *serve_command(self.config)],
                cwd=self.folder,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=environ,
                pass_fds=numbers,
            )


def _become(command: list[str]) -> None:
    """Be the daemon, with the passed descriptors from 3 on."""
    numbers = [int(number) for number in os.environ.pop("PASSED").split()]
    aside = [os.dup(number) for number in numbers]  # one of them may be at 3 or 4 already
    for at, number in enumerate(aside, FIRST_FD):
        if number != at:
            os.dup2(number, at)
        os.set_inheritable(at, True)
    for number in numbers:
        if number >= FIRST_FD + len(numbers):
            os.close(number)
    os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS=str(len(numbers)))
    os.execv(command[0], command)


if __name__ == "__main__":
    _become(sys.argv[1:])
