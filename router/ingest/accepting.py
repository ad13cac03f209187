"""Accepts several connections in one turn of the event loop, where several wait: uvloop itself accepts one in each turn.

A turn takes long where many connections are busy, and thousands may wait in front of a new one.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Iterable
from typing import Any

from router.ingest import limits


class Accepting:
    """Of one listener.

    Args:
        make: makes the protocol of a connection.
    """

    def __init__(self, make: Callable[[], asyncio.Protocol]) -> None:
        self._make = make
        self._numbers: Callable[[], Iterable[int]] = tuple
        self._is_due = False
        self._made: set[asyncio.Task[Any]] = set()  #: connections that are being made

    def listen_at(self, numbers: Callable[[], Iterable[int]]) -> None:
        """From now on take them from the sockets with these descriptors, which the loop listens at."""
        self._numbers = numbers

    def go_on(self) -> None:
        """A connection was accepted: more of them may wait."""
        if not self._is_due:
            self._is_due = True
            asyncio.get_running_loop().call_soon(self._accept)

    async def settled(self) -> None:
        """Return once what was accepted is a connection."""
        if self._made:
            await asyncio.wait(self._made)

    def _accept(self) -> None:
        self._is_due = False
        for number in self._numbers():
            listening = socket.socket(fileno=number)
            try:
                for _ in range(limits.MAX_ACCEPTED):
                    self._begin(listening.accept()[0])
            except OSError:
                continue  # none waits; or there is no descriptor left, which the loop meets as well
            finally:
                listening.detach()

    def _begin(self, own: socket.socket) -> None:
        own.setblocking(False)
        loop = asyncio.get_running_loop()
        task = loop.create_task(loop.connect_accepted_socket(self._make, own))
        self._made.add(task)
        task.add_done_callback(self._end)

    def _end(self, task: asyncio.Task[Any]) -> None:
        self._made.discard(task)
        if not task.cancelled():
            task.exception()  # its client may have gone
