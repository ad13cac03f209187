"""A vendor on a bare socket: it reads whole requests, and then does whatever its script says, right or wrong."""

from __future__ import annotations

import asyncio
import socket
import ssl as tls
import struct
from collections.abc import Awaitable, Callable
from contextlib import suppress
from types import TracebackType
from typing import Self

from tests.patience import HANG_S


class Visit:
    """One connection of a client, from a script's side."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self.requests = 0  #: on this connection
        self.last = b""  #: the newest of them

    async def read(self) -> bytes:
        """One whole request. Raises IncompleteReadError where the client leaves."""
        head = await self._reader.readuntil(b"\r\n\r\n")
        length = next(
            (int(line[15:]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")), 0
        )
        self.requests += 1
        self.last = head + await self._reader.readexactly(length)
        return self.last

    async def say(self, data: bytes) -> None:
        """Write, and wait until the client has taken most of it."""
        self._writer.write(data)
        await self._writer.drain()

    async def say_for_ever(self, data: bytes) -> None:
        """Until the client leaves."""
        while True:
            await self.say(data)
            await asyncio.sleep(0)

    async def until_left(self) -> None:
        """Wait until the client has closed the connection."""
        with suppress(ConnectionError):
            while await self._reader.read(65536):
                pass

    def reset(self) -> None:
        """End the connection with a reset."""
        transport = self._writer.transport
        connection = transport.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        transport.abort()


Script = Callable[[Visit], Awaitable[None]]
"""Called after each whole request; the connection is closed when it raises Leave."""


class Leave(Exception):
    """Close the connection now."""


def says(*pieces: bytes, leave: bool = False, reset: bool = False) -> Script:
    """Answers every request with these pieces, in packets of their own."""

    async def script(visit: Visit) -> None:
        for piece in pieces:
            await visit.say(piece)
            await asyncio.sleep(0)
        if reset:
            visit.reset()
        if leave or reset:
            raise Leave

    return script


async def hangs(visit: Visit) -> None:
    """Never answers."""
    await visit.until_left()


class RawVendor:
    """The server, while its context is open."""

    def __init__(self, script: Script, *, ssl: tls.SSLContext | None = None) -> None:
        self._script, self._ssl = script, ssl
        self.requests: list[bytes] = []  #: byte for byte, in order of arrival
        self.visits = 0  #: connections so far
        self.open = 0  #: connections now
        self._visitors: set[asyncio.Task[None]] = set()
        self._changed = asyncio.Condition()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._visited, "127.0.0.1", 0, ssl=self._ssl, limit=1 << 24)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.close()
        for visitor in self._visitors:
            visitor.cancel()
        await asyncio.gather(*self._visitors, return_exceptions=True)

    @property
    def port(self) -> int:
        """Where it listens, on 127.0.0.1."""
        return int(self._server.sockets[0].getsockname()[1])

    @property
    def url(self) -> str:
        """Of its root, without a slash at the end."""
        return f"http{'s' if self._ssl else ''}://127.0.0.1:{self.port}"

    async def becomes(self, holds: Callable[[], bool]) -> None:
        """Wait until this holds. Raises TimeoutError where it does not come about."""
        async with asyncio.timeout(HANG_S), self._changed:
            await self._changed.wait_for(holds)

    async def _visited(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._visitors.add(task)
        await self._count(+1)
        visit = Visit(reader, writer)
        try:
            while True:
                self.requests.append(await visit.read())
                async with self._changed:
                    self._changed.notify_all()
                await self._script(visit)
        except (Leave, asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass
        finally:
            self._visitors.discard(task)
            writer.close()
            await self._count(-1)

    async def _count(self, change: int) -> None:
        async with self._changed:
            self.open += change
            self.visits += max(0, change)
            self._changed.notify_all()
