"""The listener: connections, their number, how they end when the daemon stops, and malformed HTTP, which aiohttp meets
before any handler does."""

from __future__ import annotations

import asyncio
import ctypes
import logging
import resource
import socket
import struct
import sys
from contextlib import suppress
from typing import Any

from aiohttp import StreamReader, web

from router.ingest import limits
from router.ingest.answers import failure, failure_body

SPARE_FILES = 256
"""Descriptors kept for all but connections: the store, destinations, the admin listener."""

HANDSHAKE_S = 0.1
"""While stopping, a connection whose handshake had begun gets this long to be there."""

QUIET_S = 0.5
"""While stopping, a connection without a request stays this long: its client may be about to send one, and is told to
close only by the answer to it."""

CUT_S = 3.0
"""What is still not answered when the listener ends gets this long for its 503."""

log = logging.getLogger("router.ingest")

_TOO_MANY = failure_body("too_many_connections", "the router has too many connections; try again in 1 s")
_REFUSAL = (
    b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\nRetry-After: 1\r\nConnection: close\r\n"
    b"Content-Length: %d\r\n\r\n%s" % (len(_TOO_MANY), _TOO_MANY)
)

SO_ATTACH_FILTER = 26  #: of asm-generic/socket.h; Python has no name for it

_IGNORE_SYN = [(0x30, 0, 0, 13), (0x45, 0, 1, 0x02), (0x06, 0, 0, 0), (0x06, 0, 0, 0xFFFF)]
"""Classic BPF, as in Linux's networking/filter.rst: load byte 13 of the TCP header, its flags; drop the segment if SYN is set."""


def make_runner(app: web.Application, **kwargs: Any) -> IngestRunner:
    """The runner for `make_app`: no access log, bodies as they come, malformed HTTP answered in JSON."""
    kwargs.setdefault("keepalive_timeout", limits.IDLE_TIMEOUT_S)
    return IngestRunner(app, access_log=None, auto_decompress=False, shutdown_timeout=CUT_S, **kwargs)


def most_connections() -> int:
    """How many connections may be open: `MAX_CONNECTIONS`, or what the process's limit of open files leaves."""
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return limits.MAX_CONNECTIONS if files < 0 else max(1, min(limits.MAX_CONNECTIONS, files - SPARE_FILES))


class IngestRunner(web.AppRunner):
    """Runs an ingestion application. `cleanup` alone cuts what has begun to arrive; `drain` before it does not."""

    __slots__ = ()

    async def drain(self) -> None:
        """Take no new connection, answer what has begun to arrive; returns when every connection has gone.

        Each of these answers ends its connection. Where this is cancelled, `cleanup` answers the rest with 503.
        """
        server = self.server
        assert isinstance(server, _Server)
        server.is_stopping = True
        for site in self.sites:
            _take_no_more(site)
        await asyncio.sleep(HANDSHAKE_S)
        for site in list(self.sites):
            await site.stop()
        await server.drain()

    async def _make_server(self) -> web.Server:
        server = await super()._make_server()
        return _Server(server.request_handler, request_factory=server.request_factory, **self._kwargs)


class _Server(web.Server):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._most = most_connections()
        self.is_stopping = False
        self._empty = asyncio.Event()

    async def drain(self) -> None:
        """Return once no connection is left. Those without a request are closed after a while."""
        if await self._empties():
            return
        idle = [one for one in self.connections if isinstance(one, _Connection) and one.is_idle]
        for one in idle:
            one.hang_up()
        await self._empties()
        for one in idle:
            one.force_close()
        await self._empty.wait()

    async def _empties(self) -> bool:
        """Whether all connections go within `QUIET_S`."""
        for _ in range(2):  # what the loop has accepted by now becomes a task, then one of ours, before we look
            await asyncio.sleep(0)
        self._look()
        try:
            async with asyncio.timeout(QUIET_S):
                await self._empty.wait()
        except TimeoutError:
            return False
        return True

    def _look(self, *_: object) -> None:
        if not self._connections:
            self._empty.set()

    def connection_lost(self, handler: web.RequestHandler, exc: BaseException | None = None) -> None:
        serving = handler._task_handler
        super().connection_lost(handler, exc)
        if serving is None:
            self._look()
        else:
            serving.add_done_callback(self._look)  # its request may still be on its way into the store

    @property
    def is_crowded(self) -> bool:
        """Whether there are more connections than there may be."""
        return len(self._connections) > self._most

    def __call__(self) -> web.RequestHandler:
        return _Connection(self, loop=self._loop, **self._kwargs)


class _Connection(web.RequestHandler):
    """One connection. What aiohttp says of malformed HTTP by itself is plain text, and a traceback in the log."""

    __slots__ = ("_answered", "_begun", "_body")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._answered = 0  #: requests that have an answer
        self._begun = 0  #: the number of the last request of which something is here
        self._body: StreamReader | None = None  #: of the last request with an answer

    @property
    def is_idle(self) -> bool:
        """Whether it waits for a request, and not even half a head of one is here."""
        return self._waiter is not None and self._begun <= self._answered

    def hang_up(self) -> None:
        """Say that nothing more comes. The client closes: were it us, a request on its way would be met by a reset."""
        self.close()
        transport = self.transport
        if transport is not None and not transport.is_closing():
            transport.write_eof()

    def data_received(self, data: bytes) -> None:
        present = self._current_request
        body = self._body if present is None else present.content
        if data and (body is None or body.is_eof()):  # else it is more of that body
            self._begun = self._answered + (1 if present is None else 2)
        super().data_received(data)

    async def finish_response(
        self, request: web.BaseRequest, resp: web.StreamResponse, start_time: float | None
    ) -> tuple[web.StreamResponse, bool]:
        self._answered, self._body = self._answered + 1, request.content
        server = self._manager
        is_last = not self._messages and self._begun <= self._answered
        if isinstance(server, _Server) and server.is_stopping and is_last:
            resp.force_close()
        return await super().finish_response(request, resp, start_time)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        server = self._manager
        if isinstance(server, _Server) and server.is_crowded and isinstance(transport, asyncio.Transport):
            transport.write(_REFUSAL)
            self.force_close()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        if request.writer.output_size > 0:
            raise ConnectionError("the answer has been sent in part already")
        if status < 500:
            response = failure(status, "invalid_http", "the request is not valid HTTP")
        else:
            log.error("a request failed", exc_info=exc)
            response = failure(status, "internal_error", "an error of the router; it is in its log")
        response.force_close()
        return response


def _take_no_more(site: web.BaseSite) -> None:
    """Let a site's sockets ignore who knocks from here on, so that none is reset as they close.

    Closing alone resets every connection that was made since the last `accept`: 2 of 27 stops under load had one. Whoever is
    ignored knocks again after a second (RFC 6298, 2.1), and is refused. Where the system has no such filter, it stays at that.
    """
    assert site._server is not None
    steps = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *step) for step in _IGNORE_SYN))
    program = struct.pack("HP", len(_IGNORE_SYN), ctypes.addressof(steps))
    for one in site._server.sockets if sys.platform == "linux" else ():  # type: ignore[attr-defined]
        with suppress(OSError):
            one.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, program)
