"""A vendor to send to: a real HTTP server on the loopback interface that records every request and answers by a script.

    async with FakeVendor(Reply(201, json={"created": True})) as vendor:
        vendor.script(Reply(503), Reply(429, headers={"Retry-After": "2"}), Reset())
        ...                                      # point a destination's base_url at vendor.url
        assert [seen.url for seen in vendor.requests] == [...]

Replies that were scripted go out first, one a request; then `answer(request)` when it is set; then `default`.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

import msgspec
from aiohttp import web

from router.clock import Clock, SystemClock
from router.plugin import JSON

__all__ = ["FakeVendor", "Garbage", "Hang", "Received", "Reply", "Reset", "ShortBody"]

MAX_BODY = 64 * 1024 * 1024


@dataclass(frozen=True)
class Received:
    """One request as it came over the wire."""

    method: str
    url: str  #: path and query, byte for byte
    headers: Mapping[str, str]  #: names in lower case
    body: bytes

    def json(self) -> JSON:
        """The body as JSON. Raises msgspec.DecodeError where it is not JSON."""
        return msgspec.json.decode(self.body)


@dataclass(frozen=True)
class Reply:
    """An answer: this status with `json`, or with `body` as it stands, after `delay_s`."""

    status: int = 200
    json: JSON = None
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    delay_s: float = 0.0

    def content(self) -> bytes:
        """The bytes of the body."""
        return self.body if self.json is None else msgspec.json.encode(self.json)


@dataclass(frozen=True)
class Garbage(Reply):
    """An answer that says it is JSON, and is not."""

    body: bytes = b'{"created": tr\xff<html>'
    headers: Mapping[str, str] = field(default_factory=lambda: {"Content-Type": "application/json"})


@dataclass(frozen=True)
class Hang(Reply):
    """No answer until `FakeVendor.release` is called or the client leaves; then the answer."""


@dataclass(frozen=True)
class Reset(Reply):
    """The connection is reset without an answer."""


@dataclass(frozen=True)
class ShortBody(Reply):
    """The connection ends in the middle of the announced body."""

    body: bytes = b'{"created": true}'


class FakeVendor:
    """The server, while its context is open."""

    def __init__(self, default: Reply | None = None, *, clock: Clock | None = None) -> None:
        self.default = default or Reply(200, json={})
        self.answer: Callable[[Received], Reply] | None = None
        self.requests: list[Received] = []  #: in the order of arrival
        self.in_flight = 0  #: requests that wait for their answer now
        self.max_in_flight = 0  #: the most there ever were at one time
        self._clock = clock or SystemClock()
        self._script: deque[Reply] = deque()
        self._released = asyncio.Event()
        self._arrived = asyncio.Condition()

    async def __aenter__(self) -> Self:
        app = web.Application(client_max_size=MAX_BODY)
        app.router.add_route("*", "/{path:.*}", self._handle)
        # handler_cancellation: a handler that hangs ends when its client has left
        self._runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=1.0)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()
        await self._runner.cleanup()

    @property
    def url(self) -> str:
        """`http://127.0.0.1:<port>`, to be used as a base_url."""
        host, port = self._runner.addresses[0][:2]
        return f"http://{host}:{port}"

    def script(self, *replies: Reply) -> None:
        """Answer the next requests with these, one each, before anything else."""
        self._script.extend(replies)

    def release(self) -> None:
        """Answer what hangs, and let nothing hang from now on."""
        self._released.set()

    async def received(self, n: int, within_s: float = 60.0) -> list[Received]:
        """The first `n` requests, as soon as they are there. Raises TimeoutError when they do not come."""
        async with asyncio.timeout(within_s), self._arrived:
            await self._arrived.wait_for(lambda: len(self.requests) >= n)
        return self.requests[:n]

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        self.in_flight += 1
        self.max_in_flight = max(self.max_in_flight, self.in_flight)
        try:
            headers = {name.lower(): value for name, value in request.headers.items()}
            seen = Received(request.method, request.raw_path, headers, await request.read())
            return await self._respond(request, await self._take(seen))
        finally:
            self.in_flight -= 1

    async def _take(self, seen: Received) -> Reply:
        async with self._arrived:
            self.requests.append(seen)
            self._arrived.notify_all()
        if self._script:
            return self._script.popleft()
        return self.answer(seen) if self.answer else self.default

    async def _respond(self, request: web.Request, reply: Reply) -> web.StreamResponse:
        if isinstance(reply, Hang):
            await self._released.wait()
        if reply.delay_s:
            await self._clock.sleep(reply.delay_s)
        if isinstance(reply, Reset):
            _reset(request)
        body = reply.content()
        headers = {"Content-Type": "application/json", **reply.headers}
        if isinstance(reply, ShortBody):
            response = web.StreamResponse(status=reply.status, headers={**headers, "Content-Length": str(len(body))})
            await response.prepare(request)
            await response.write(body[: len(body) // 2])
            _close(request)
            return response
        return web.Response(status=reply.status, body=body, headers=headers)


def _reset(request: web.Request) -> None:
    """End the connection with a reset: what a closed socket with unsent data and no linger time does."""
    transport = request.transport
    if transport is not None:
        connection = transport.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        transport.abort()


def _close(request: web.Request) -> None:
    """End the connection after what was written."""
    if request.transport is not None:
        request.transport.close()
