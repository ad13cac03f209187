"""The listener: connections, their number, and malformed HTTP, which aiohttp meets before any handler does."""

from __future__ import annotations

import asyncio
import logging
import resource
from typing import Any

from aiohttp import web

from router.ingest import limits
from router.ingest.answers import failure, failure_body

SPARE_FILES = 256
"""Descriptors kept for all but connections: the store, destinations, the admin listener."""

log = logging.getLogger("router.ingest")

_TOO_MANY = failure_body("too_many_connections", "the router has too many connections; try again in 1 s")
_REFUSAL = (
    b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\nRetry-After: 1\r\nConnection: close\r\n"
    b"Content-Length: %d\r\n\r\n%s" % (len(_TOO_MANY), _TOO_MANY)
)


def make_runner(app: web.Application, **kwargs: Any) -> web.AppRunner:
    """The runner for `make_app`: no access log, bodies as they come, malformed HTTP answered in JSON."""
    kwargs.setdefault("keepalive_timeout", limits.IDLE_TIMEOUT_S)
    return _Runner(app, access_log=None, auto_decompress=False, **kwargs)


def most_connections() -> int:
    """How many connections may be open: `MAX_CONNECTIONS`, or what the process's limit of open files leaves."""
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return limits.MAX_CONNECTIONS if files < 0 else max(1, min(limits.MAX_CONNECTIONS, files - SPARE_FILES))


class _Runner(web.AppRunner):
    __slots__ = ()

    async def _make_server(self) -> web.Server:
        server = await super()._make_server()
        return _Server(server.request_handler, request_factory=server.request_factory, **self._kwargs)


class _Server(web.Server):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._most = most_connections()

    @property
    def is_crowded(self) -> bool:
        """Whether there are more connections than there may be."""
        return len(self._connections) > self._most

    def __call__(self) -> web.RequestHandler:
        return _Connection(self, loop=self._loop, **self._kwargs)


class _Connection(web.RequestHandler):
    """One connection. What aiohttp says of malformed HTTP by itself is plain text, and a traceback in the log."""

    __slots__ = ()

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
