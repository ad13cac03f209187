"""A vendor to send to: a real HTTP server on the loopback interface that records every request and answers by a script.

    async with FakeVendor(Reply(201, json={"created": True})) as vendor:
        vendor.script(Reply(503), Reply(429, headers={"Retry-After": "2"}), Reset())
        ...                                      # point a destination's base_url at vendor.url
        assert [seen.url for seen in vendor.requests] == [...]

Replies that were scripted go out first, one a request; then `answer(request)` when it is set; then `default`. `router.testing.replies`
has what can be scripted. A function that raises is a fault of the test: the request gets a 500, and the end of the context raises the
same.
"""

from __future__ import annotations

import asyncio
import re
import socket
import struct
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Self

from aiohttp import web

from router.clock import Clock, SystemClock
from router.testing.replies import (
    Answers,
    Garbage,
    Hang,
    Received,
    Redirect,
    Reply,
    Reset,
    ShortBody,
    Slow,
    answer_to,
    checked_answers,
    once_only,
    per_item,
)

__all__ = [
    "FakeVendor", "Garbage", "Hang", "Received", "Redirect", "Reply", "Reset", "ShortBody", "Slow", "once_only", "per_item",
]  # fmt: skip

MAX_BODY = 64 * 1024 * 1024
MOVED = re.compile(r"/(\d+)/(https?://.*)", re.DOTALL)
"""The path of a request for another server that was sent here instead (`router.testing.detour`)."""


class FakeVendor:
    """The server, while its context is open."""

    def __init__(self, default: Answers | None = None, *, clock: Clock | None = None) -> None:
        """`clock`: by which answers are delayed."""
        self.default = Reply(200, json={}) if default is None else checked_answers(default)
        self.answer: Callable[[Received], Reply] | None = None
        self.is_open = False
        self.requests: list[Received] = []  #: in the order of arrival
        self.in_flight = 0  #: requests that wait for their answer now
        self.max_in_flight = 0  #: the most there ever were at one time
        self.waiting = 0  #: of those in flight, how many `Hang`, `Slow` or `delay_s` keep waiting
        self.begun: dict[int, Reply] = {}  #: by number of a request that was sent here instead: of what the head is out
        self._clock = clock or SystemClock()
        self._script: deque[Answers] = deque()
        self._fault: Exception | None = None
        self._released = asyncio.Event()
        self._arrived = asyncio.Condition()

    async def __aenter__(self) -> Self:
        app = web.Application(client_max_size=MAX_BODY)
        app.router.add_route("*", "/{path:.*}", self._handle)
        # handler_cancellation: a handler that hangs ends when its client has left
        self._runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=1.0)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.is_open = True
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()
        self.is_open = False
        await self._runner.cleanup()
        if self._fault is None:
            return
        if error is None:
            raise self._fault
        error.add_note(_words_of(self._fault))

    @property
    def url(self) -> str:
        """`http://127.0.0.1:<port>`, to be used as a base_url. Raises RuntimeError while the vendor is not open."""
        if not self.is_open:
            raise RuntimeError("the FakeVendor is not open: want `async with FakeVendor() as vendor:` around this")
        host, port = self._runner.addresses[0][:2]
        return f"http://{host}:{port}"

    def script(self, *replies: Answers) -> None:
        """Answer the next requests with these, one each, before anything else. Raises TypeError for what is no answer."""
        self._script.extend([checked_answers(reply) for reply in replies])

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
        number, url = _asked_for(request)
        try:
            headers = {name.lower(): value for name, value in request.headers.items()}
            seen = Received(request.method, url, headers, await request.read())
            return await self._respond(request, await self._take(seen))
        finally:
            self.in_flight -= 1
            if number is not None:
                self.begun.pop(number, None)

    async def _take(self, seen: Received) -> Reply:
        async with self._arrived:
            self.requests.append(seen)
            self._arrived.notify_all()
        chosen = self._script.popleft() if self._script else self.answer or self.default
        try:
            reply = answer_to(seen, chosen)
            reply.content()
        except Exception as fault:  # the test's code runs
            self._fault = self._fault or fault
            return Reply(500, body=_words_of(fault).encode())
        return reply

    async def _respond(self, request: web.Request, reply: Reply) -> web.StreamResponse:
        if isinstance(reply, Hang):
            with self._keeping_waiting():
                await self._released.wait()
        if reply.delay_s and not isinstance(reply, Slow):
            await self._pause(reply.delay_s)
        if isinstance(reply, Reset):
            _reset(request)
        headers = reply.sent_headers()
        if isinstance(reply, ShortBody | Slow):
            return await self._in_parts(request, reply, headers)
        return web.Response(status=reply.status, body=reply.content(), headers=headers)

    async def _in_parts(
        self, request: web.Request, reply: ShortBody | Slow, headers: dict[str, str]
    ) -> web.StreamResponse:
        number, _ = _asked_for(request)
        body = reply.content()
        response = web.StreamResponse(status=reply.status, headers={**headers, "Content-Length": str(len(body))})
        await response.prepare(request)
        if number is not None:
            self.begun[number] = reply
        if isinstance(reply, Slow):
            for part in reply.parts():
                await self._pause(reply.delay_s)
                await response.write(part)
            return response
        await response.write(body[: len(body) // 2])
        _close(request)
        return response

    async def _pause(self, seconds: float) -> None:
        with self._keeping_waiting():
            await self._clock.sleep(seconds)

    @contextmanager
    def _keeping_waiting(self) -> Iterator[None]:
        self.waiting += 1
        try:
            yield
        finally:
            self.waiting -= 1


def _asked_for(request: web.Request) -> tuple[int | None, str]:
    """The number of a request that was sent here instead, and its own URL; of any other request None, path and query."""
    moved = MOVED.fullmatch(request.raw_path)
    return (int(moved[1]), moved[2]) if moved else (None, request.raw_path)


def _words_of(fault: Exception) -> str:
    return f"FakeVendor: what the test answers raised {type(fault).__name__}: {fault}"


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
