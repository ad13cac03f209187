"""The runner and the server of a listener: how many connections there may be, and how they end when the daemon stops.

Here and in `aiohttp_connection`, attributes are used that aiohttp does not document. A test says whether they are still there.
"""

from __future__ import annotations

import asyncio
import logging
import math
import resource
import socket
from itertools import islice
from typing import Any, NamedTuple

from aiohttp import web

from router.ingest import graceful_close, limits
from router.ingest.accepting import Accepting
from router.ingest.aiohttp_connection import Connection
from router.ingest.fair_reading import FairReading
from router.ingest.hot_path import HOT_PATH, HotPath
from router.ingest.limits import ListenerLimits
from router.ingest.received_bytes import ReceivedBytes
from router.ingest.refusals import Refusals
from router.ingest.unread_bytes import UnreadBytes
from router.metrics import Metrics

log = logging.getLogger("router.ingest")

READ_AGAINST = "3.14.5"
"""The version of aiohttp whose source these subclasses were written beside. Another one has to be read first."""

LOOKED_AT = 32
"""So many of the oldest connections are looked at for one that may make room."""

WARN_EVERY_S = 60.0


class Listener(NamedTuple):
    """What a server needs to know of its listener. `refusals`: who keeps account of malformed HTTP, if anybody."""

    name: str
    limits: ListenerLimits
    metrics: Metrics
    refusals: Refusals | None = None


LISTENER = web.AppKey("listener", Listener)
"""Where an application says which listener is its own."""


def make_runner(app: web.Application, **kwargs: Any) -> IngestRunner:
    """The runner of an application with a LISTENER: no access log, bodies as they come, malformed HTTP answered in JSON."""
    kwargs.setdefault("keepalive_timeout", limits.IDLE_TIMEOUT_S)
    kwargs.setdefault("shutdown_timeout", graceful_close.CUT_S)
    return IngestRunner(
        app,
        access_log=None,
        auto_decompress=False,
        max_line_size=limits.MAX_LINE_BYTES,
        max_field_size=limits.MAX_LINE_BYTES,
        max_headers=limits.MAX_HEADERS,
        lingering_time=limits.LINGER_S,
        **kwargs,
    )


def most_connections(of: ListenerLimits) -> int:
    """How many connections may be open: what the listener may have, or what the process's limit of open files leaves."""
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return of.connections if files < 0 else max(1, min(of.connections, files - of.spare_files))


def last_descriptor(of: ListenerLimits) -> float:
    """The highest descriptor that a connection may have. The system gives the lowest free one, so beyond it few are left."""
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return math.inf if files < 0 else max(files // 2, files - of.spare_files // 2)


class IngestRunner(web.AppRunner):
    """Runs one application. `cleanup` alone cuts what has begun to arrive; `drain` before it does not."""

    __slots__ = ("is_held",)

    def __init__(self, app: web.Application, **kwargs: Any) -> None:
        super().__init__(app, **kwargs)
        self.is_held = False  #: whether the system holds the sockets and keeps them when this process ends

    async def drain(self) -> None:
        """Take no new connection, answer what has begun to arrive; returns when every connection has gone.

        Each of these answers ends its connection. Where this is cancelled, `cleanup` answers the rest with 503. Sockets that the
        system holds stay open: who connects from here on waits for the next process.
        """
        server = self.server
        assert isinstance(server, IngestServer)
        server.is_stopping = True
        server.step_aside()
        if not self.is_held:
            for site in self.sites:
                graceful_close.ignore_new_connections(site)
            await asyncio.sleep(graceful_close.HANDSHAKE_S)
        for site in list(self.sites):
            await site.stop()
        await server.drain()

    async def _make_server(self) -> web.Server:
        server = await super()._make_server()
        own = IngestServer(
            server.request_handler,
            listener=self.app[LISTENER],
            hot_path=self.app.get(HOT_PATH),
            request_factory=server.request_factory,
            **self._kwargs,
        )
        own.accepting.listen_at(self._listening)
        return own

    def _listening(self) -> list[int]:
        """The descriptors of the sockets that it listens at now."""
        servers: list[Any] = [site._server for site in self.sites if isinstance(site, web.TCPSite | web.SockSite)]
        return [one.fileno() for server in servers if server is not None for one in server.sockets]


class IngestServer(web.Server):
    """The connections of one application. `hot_path`: None where every request takes the full path."""

    def __init__(self, *args: Any, listener: Listener, hot_path: HotPath | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.hot_path = hot_path
        self.received = ReceivedBytes(listener.limits.received_bytes, listener.limits.stranger_bytes)
        self.accepting = Accepting(self)
        self.reading = FairReading()
        self.unread = UnreadBytes(listener.limits.unread_bytes)
        self.strangers: dict[Connection, None] = {}  #: those that have got no success yet, the oldest first
        self.is_stopping = False
        self._listener = listener
        self._most = most_connections(listener.limits)
        self._last_descriptor = last_descriptor(listener.limits)
        self._empty = asyncio.Event()
        self._ended, self._warned_at = 0, -math.inf  #: connections ended since the last warning
        listener.metrics.show_listener(
            listener.name, lambda: len(self._connections), lambda: self.received.held, lambda: self.unread.held
        )

    def step_aside(self) -> None:
        """Have the full path wait for what is here in part only."""
        for one in self.connections:
            if isinstance(one, Connection):
                one.step_aside()

    def pre_shutdown(self) -> None:
        self.step_aside()
        super().pre_shutdown()

    async def drain(self) -> None:
        """Return once no connection is left. Those without a request are closed after a while."""
        if await self._empties():
            return
        idle = [one for one in self.connections if isinstance(one, Connection) and one.is_idle]
        for one in idle:
            one.hang_up()
        await self._empties()
        for one in idle:
            one.force_close()
        await self._empty.wait()

    async def _empties(self) -> bool:
        """Whether all connections go within `QUIET_S`."""
        await self.accepting.settled()
        self._empty.clear()  # it was set whenever the last connection had gone, and others have come since
        for _ in range(2):  # what the loop has accepted by now becomes a task, then one of ours, before we look
            await asyncio.sleep(0)
        self._look()
        try:
            async with asyncio.timeout(graceful_close.QUIET_S):
                await self._empty.wait()
        except TimeoutError:
            return False
        return True

    def _look(self, *_: object) -> None:
        if not self._connections:
            self._empty.set()

    def connection_lost(self, handler: web.RequestHandler, exc: BaseException | None = None) -> None:
        serving = handler._task_handler
        if isinstance(handler, Connection):
            self.strangers.pop(handler, None)
            self.unread.forget(handler)
        super().connection_lost(handler, exc)
        if serving is None:
            self._look()
        else:
            serving.add_done_callback(self._look)  # its request may still be on its way into the store

    # ------------------------------------------------------------ too many, and what is refused

    def admit(self, one: Connection) -> None:
        """A connection was made. Where there are too many, another one makes room, or this one has to go."""
        assert one.transport is not None
        if self.reading.is_busy:
            self.accepting.go_on()
        self.strangers[one] = None
        own = one.transport.get_extra_info("socket")
        # Left alone, the system takes megabytes of each connection whose client does not read.
        own.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, self._listener.limits.send_buffer)
        if own.fileno() > self._last_descriptor:
            reason = "no_descriptors"
        elif len(self._connections) > self._most:
            reason = "too_many_connections"
        else:
            return
        old = self._least_missed(one)
        if old is None:
            del self.strangers[one]
            one.end(reason)
        else:
            self.strangers.pop(old, None)
            old.end("made_room")

    def _least_missed(self, new: Connection) -> Connection | None:
        """The connection that makes room: the oldest without a success so far, or the one that is idle for longest."""
        for one in islice(self.strangers, LOOKED_AT):
            if one is not new and one.is_unfinished:
                return one
        others = (one for one in islice(self._connections, LOOKED_AT) if isinstance(one, Connection))
        idle = [one for one in others if one.is_idle and one is not new]
        return min(idle, key=lambda one: one.idle_since, default=None)

    def note_ended(self, reason: str) -> None:
        """A connection was refused or ended to protect the others."""
        self._listener.metrics.connection_ended(self._listener.name, reason)
        self._ended += 1
        now = self._loop.time()
        if now - self._warned_at >= WARN_EVERY_S:
            words = "the %s listener has refused or ended connections to protect itself: %d since the last such line, the newest for %s"
            log.warning(words, self._listener.name, self._ended, reason)
            self._ended, self._warned_at = 0, now

    def note_refused(self, status: int, code: str, words: str) -> None:
        """A request was refused that no handler has seen."""
        if self._listener.refusals is not None:
            self._listener.refusals.count(status, code, words)

    def __call__(self) -> web.RequestHandler:
        return Connection(self, loop=self._loop, **self._kwargs)
