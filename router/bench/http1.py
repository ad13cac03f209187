"""HTTP/1.1 with keep-alive as far as the benchmark needs it, on both sides of the daemon. Bare protocols, since a library
would be the slower side."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol, cast


class Sender(Protocol):
    """What a client's connection asks."""

    @property
    def is_over(self) -> bool:
        """Nothing more is to be sent."""
        ...

    def next_request(self) -> tuple[bytes, float] | None:
        """The next request, and the instant its time runs from; None: not now."""
        ...

    def park(self, connection: ClientConnection) -> None:
        """Call the connection's `send` when there may be something to send."""
        ...

    def answered(self, status: str, since: float) -> None:
        """An answer came to what has taken its time from that instant on."""
        ...

    def opened(self, connection: ClientConnection) -> None:
        """A connection stands."""
        ...

    def closed(self, connection: ClientConnection, *, waiting: bool) -> None:
        """A connection has nothing more to do, or broke with a request on its way."""
        ...


class ClientConnection(asyncio.Protocol):
    """One connection with one request on its way at a time."""

    def __init__(self, sender: Sender) -> None:
        self._sender = sender
        self._buffer = b""
        self._since = 0.0
        self._waiting = False
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is none by class
        self._sender.opened(self)
        self.send()

    def send(self) -> None:
        """Send the next request, wait for one, or end."""
        self._waiting = False
        if self._sender.is_over:
            self._transport.close()
        elif found := self._sender.next_request():
            request, self._since = found
            self._waiting = True
            self._transport.write(request)
        else:
            self._sender.park(self)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0 or len(self._buffer) < end + 4 + content_length(self._buffer[:end]):
            return
        status, self._buffer = self._buffer[9:12].decode(), b""
        self._sender.answered(status, self._since)
        self.send()

    def connection_lost(self, exc: Exception | None) -> None:
        self._sender.closed(self, waiting=self._waiting)


Answer = Callable[[str, bytes, bytes], tuple[bytes, float] | None]
"""From path, head and body of a request: the answer, and after how many seconds it goes out; None: never."""


class ServerConnection(asyncio.Protocol):
    """One connection of a server that answers like this."""

    def __init__(self, answer: Answer) -> None:
        self._answer = answer
        self._buffer = b""
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is none by class

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while (end := self._buffer.find(b"\r\n\r\n")) >= 0:
            head = self._buffer[:end]
            size = end + 4 + content_length(head)
            if len(self._buffer) < size:
                return
            body, self._buffer = self._buffer[end + 4 : size], self._buffer[size:]
            said = self._answer(head.split(b" ", 2)[1].decode(), head, body)
            if said is not None and said[1]:
                asyncio.get_running_loop().call_later(said[1], self._transport.write, said[0])
            elif said is not None:
                self._transport.write(said[0])


def answer(status: str, body: bytes = b"{}", more: str = "") -> bytes:
    """A response. `more`: further headers, each with its line end."""
    head = f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\n{more}Content-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


def content_length(head: bytes) -> int:
    """The length of the body that a head announces; 0 without."""
    at = head.lower().find(b"content-length:")
    return int(head[at + 15 :].split(b"\r\n", 1)[0]) if at >= 0 else 0
