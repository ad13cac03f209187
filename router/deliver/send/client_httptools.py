"""The client on httptools: no task, no future and no timer for a request; one sweep for all deadlines."""

from __future__ import annotations

import asyncio
import ssl as tls
from collections.abc import Callable, Mapping
from typing import Literal

import msgspec

from router.deliver.send import http_client
from router.deliver.send.http_client import Fault, OnDone, Reply, default_ssl_context
from router.deliver.send.http_connection import Connection
from router.deliver.send.http_dial import Dial
from router.deliver.send.http_pool import IDLE_S, Pool
from router.deliver.send.http_request import Head, Heads, bytes_of
from router.deliver.send.http_resolver import Resolver
from router.plugin import Request

SWEEP_S = 0.25
CLOSE_S = 1.0
"""So long `close` waits for connections to be gone. They are cut already."""


class HttptoolsExchange(msgspec.Struct, eq=False):
    """One request on its way: at first it waits for `dial`, then it is on `connection`."""

    client: HttptoolsClient
    on_done: OnDone
    deadline: float
    head: Head | None = None
    data: bytes = b""
    connection: Connection | None = None
    dial: Dial[Connection] | None = None
    resent: bool = False

    def cancel(self) -> None:
        """See `http_client.Exchange`."""
        self.client.cancel(self)


class HttptoolsClient:
    """See `http_client.Client`. Every exchange in `_in_flight` has still to be told its end; in order of their deadlines."""

    def __init__(
        self,
        timeout_s: float,
        *,
        resolve: Mapping[str, str] | None = None,
        ssl: tls.SSLContext | None = None,
        resolver: Resolver | None = None,
        idle_s: float = IDLE_S,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._timeout_s, self._idle_s = timeout_s, idle_s
        self._sweep_s = min(SWEEP_S, timeout_s / 4, idle_s / 4)
        self._ssl: Callable[[], tls.SSLContext] = (lambda: ssl) if ssl is not None else default_ssl_context
        self._resolver = resolver or Resolver(resolve or {})
        self._heads = Heads()
        self._pool = Pool()
        self._in_flight: dict[HttptoolsExchange, Literal[True]] = {}
        self._open: set[Connection] = set()
        self._dials: set[asyncio.Task[Connection]] = set()
        self._sweeping: asyncio.TimerHandle | None = None
        self._closed = False
        self._all_lost: asyncio.Future[None] | None = None

    @property
    def in_flight(self) -> int:
        """See `http_client.Client`."""
        return len(self._in_flight)

    # ------------------------------------------------------------ a request's way

    def start(self, request: Request, on_done: OnDone) -> HttptoolsExchange:
        """See `http_client.Client`."""
        exchange = HttptoolsExchange(self, on_done, self._loop.time() + self._timeout_s)
        try:
            if self._closed:
                raise Fault("closed", "the client is closed")
            exchange.head = head = self._heads.of(request)
            exchange.data = bytes_of(head, request.body)
        except Fault as fault:
            self._in_flight[exchange] = True
            self._loop.call_soon(self._tell, exchange, fault)
            return exchange
        self._in_flight[exchange] = True
        connection = self._pool.take(head.origin)
        if connection is None:
            self._dial(exchange)
        else:
            self._send_on(connection, exchange)
        if self._sweeping is None:
            self._sweeping = self._loop.call_later(self._sweep_s, self._sweep)
        return exchange

    async def send(self, request: Request) -> Reply:
        """See `http_client.Client`."""
        return await http_client.send(self, request)

    def _send_on(self, connection: Connection, exchange: HttptoolsExchange) -> None:
        assert exchange.head is not None
        exchange.connection = connection
        connection.send(exchange, exchange.head.method, exchange.data)

    def _dial(self, exchange: HttptoolsExchange) -> None:
        assert exchange.head is not None
        origin = exchange.head.origin
        exchange.connection = None
        exchange.dial = Dial(origin, self._resolver, self._ssl, lambda: Connection(self, origin))
        self._dials.add(exchange.dial.task)
        exchange.dial.task.add_done_callback(lambda task: self._dialled(exchange, task))

    def _dialled(self, exchange: HttptoolsExchange, task: asyncio.Task[Connection]) -> None:
        self._dials.discard(task)
        exchange.dial = None
        if task.cancelled():
            self._tell(exchange, Fault("closed", "the opening of the connection was cut"))
        elif (error := task.exception()) is not None:
            self._tell(exchange, self._fault_of(error))
        else:
            self._use(task.result(), exchange)

    def _use(self, connection: Connection, exchange: HttptoolsExchange) -> None:
        """Send a request on the new connection, or drop it where nobody waits for it any more."""
        if not connection.is_open:
            self._tell(exchange, Fault("closed", "the vendor closed the connection at once"))
            return
        self._open.add(connection)
        if exchange in self._in_flight:
            self._send_on(connection, exchange)
        else:
            connection.cut()

    def _fault_of(self, error: BaseException) -> Fault:
        if isinstance(error, Fault):
            return error
        self._loop.call_exception_handler({"message": "opening a connection failed", "exception": error})
        return Fault("connect", f"no connection: {type(error).__name__}")

    def answered(self, connection: Connection, waiter: HttptoolsExchange, result: Reply | Fault, *, keep: bool) -> None:
        """See `http_connection.Owner`. The connection is idle again before anybody hears of the answer."""
        waiter.connection = None
        if keep and not self._closed:
            self._pool.give(connection, self._loop.time())
        self._tell(waiter, result)

    def lost(
        self, connection: Connection, waiter: HttptoolsExchange | None, result: Reply | Fault, *, silent: bool
    ) -> None:
        """See `http_connection.Owner`. An idle connection that the vendor had closed already is no reason for a fault."""
        self._open.discard(connection)
        self._pool.drop(connection)
        if not self._open and self._all_lost is not None and not self._all_lost.done():
            self._all_lost.set_result(None)
        if waiter is None:
            return
        if silent and connection.is_reused and not waiter.resent and not self._closed:
            waiter.resent = True
            self._dial(waiter)
        else:
            waiter.connection = None
            self._tell(waiter, result)

    def _tell(self, exchange: HttptoolsExchange, result: Reply | Fault) -> None:
        """The one end of every exchange that was not cancelled."""
        if self._in_flight.pop(exchange, None) is None:
            return
        result.resent = exchange.resent
        try:
            exchange.on_done(result)
        except Exception as error:  # a caller's fault: this connection and all other requests go on
            self._loop.call_exception_handler({"message": "on_done of a request failed", "exception": error})

    # ------------------------------------------------------------ before its end

    def cancel(self, exchange: HttptoolsExchange) -> None:
        """See `http_client.Exchange`."""
        if self._in_flight.pop(exchange, None) is not None:
            self._cut(exchange)

    def _cut(self, exchange: HttptoolsExchange) -> None:
        if exchange.dial is not None:
            exchange.dial.cut()
        connection = exchange.connection
        if connection is not None and connection.waiter is exchange:  # else it carries another one's request by now
            connection.cut()

    def _sweep(self) -> None:
        now = self._loop.time()
        late = []
        for exchange in self._in_flight:
            if exchange.deadline > now:
                break
            late.append(exchange)
        for exchange in late:
            self._expire(exchange)
        self._pool.expire(now - self._idle_s)
        again = self._in_flight or len(self._pool)
        self._sweeping = self._loop.call_later(self._sweep_s, self._sweep) if again else None

    def _expire(self, exchange: HttptoolsExchange) -> None:
        within = f"within {self._timeout_s:g} s"
        connection = exchange.connection
        if connection is not None and connection.waiter is exchange:
            reply = connection.give_up(f"not whole {within}")
            self._tell(exchange, reply or Fault("timeout", f"no answer {within}", sent=True))
        else:
            stage = exchange.dial.stage if exchange.dial is not None else "the connection"
            self._cut(exchange)
            self._tell(exchange, Fault("timeout", f"no answer {within}: {stage} took too long", sent=exchange.resent))

    async def close(self) -> None:
        """See `http_client.Client`."""
        self._closed = True
        if self._sweeping is not None:
            self._sweeping.cancel()
        for exchange in list(self._in_flight):
            sent = exchange.connection is not None or exchange.resent
            self._cut(exchange)
            self._tell(exchange, Fault("closed", "the client was closed", sent=sent))
        self._pool.expire(self._loop.time())
        if self._dials:
            await asyncio.wait(self._dials, timeout=CLOSE_S)
        if self._open:
            self._all_lost = self._loop.create_future()
            await asyncio.wait([self._all_lost], timeout=CLOSE_S)
