"""Ports of the loopback interface for daemons that are started, killed and started again. Nobody else gets such a port meanwhile."""

from __future__ import annotations

import random
import socket
import weakref

__all__ = ["HeldPort"]

LOWEST, HIGHEST = 20_000, 32_000
"""Below the ports that outgoing connections take (32,768 and up on Linux), so that none of them is the daemon's while it is down."""


class HeldPort:
    """A port that is ours until `close`, also against other processes that look for one in this way.

    A socket is bound to it and never listens. A server that sets SO_REUSEADDR, as asyncio's do, can listen there all the same,
    and while none does, connections are refused. Linux only: elsewhere the server may be refused as well.
    """

    def __init__(self) -> None:
        held = socket.socket()
        while True:
            self.number = random.SystemRandom().randrange(LOWEST, HIGHEST)
            try:
                held.bind(("127.0.0.1", self.number))  # still without SO_REUSEADDR: refused if anybody has this port
                break
            except OSError:
                continue
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._close = weakref.finalize(self, held.close)

    def close(self) -> None:
        """Give the port back."""
        self._close()
