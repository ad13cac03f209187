"""The client on aiohttp, for machines where httptools cannot be installed.

Three rules it cannot keep: a GET, PUT or DELETE on a stale connection is sent again without a word, a POST there is a fault
`closed`, and of a malformed answer the body is lost where httptools gives what came of it.
"""

from __future__ import annotations

import asyncio
import errno
import io
import socket
import ssl as tls
from collections.abc import Mapping
from contextvars import ContextVar
from functools import partial

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.client_proto import ResponseHandler
from yarl import URL

from router.deliver.send import http_client
from router.deliver.send.aiohttp_head import HeadReader, WatchedHandler
from router.deliver.send.http_client import (
    MAX_BODY,
    MAX_HEAD,
    MAX_HEADERS,
    USER_AGENT,
    Fault,
    OnDone,
    Reply,
    default_ssl_context,
)
from router.deliver.send.http_dial import connect_fault, tls_fault
from router.deliver.send.http_pool import IDLE_S
from router.deliver.send.http_request import check_headers, split_url
from router.deliver.send.http_resolver import Resolver
from router.plugin import Request

LARGE_BODY = 1_000_000


_HEADS: ContextVar[list[HeadReader]] = ContextVar("heads")
"""Of the request that the present task sends: one for each connection that it was sent on."""


class WatchedRequest(aiohttp.ClientRequest):
    """A request whose answer is read by a HeadReader first."""

    async def send(self, conn: aiohttp.connector.Connection) -> aiohttp.ClientResponse:
        """Send it on this connection."""
        assert isinstance(conn.protocol, WatchedHandler)
        _HEADS.get().append(conn.protocol.begin())
        return await super().send(conn)


def _watched_handler(loop: asyncio.AbstractEventLoop) -> ResponseHandler:
    return WatchedHandler(loop)


class AiohttpExchange:
    """One request on its way, as a task."""

    __slots__ = ("is_done", "task")

    def __init__(self, task: asyncio.Task[Reply | Fault]) -> None:
        self.task = task
        self.is_done = False

    def cancel(self) -> None:
        """See `http_client.Exchange`."""
        self.is_done = True
        self.task.cancel()


class AiohttpClient:
    """See `http_client.Client`."""

    def __init__(
        self,
        timeout_s: float,
        *,
        resolve: Mapping[str, str] | None = None,
        ssl: tls.SSLContext | None = None,
        resolver: Resolver | None = None,
        idle_s: float = IDLE_S,
    ) -> None:
        self._timeout_s = timeout_s
        self._exchanges: set[AiohttpExchange] = set()
        self._closed = False
        connector = aiohttp.TCPConnector(
            limit=0,
            ssl=ssl or default_ssl_context(),
            resolver=_OwnResolver(resolver or Resolver(resolve or {})),
            use_dns_cache=False,
            keepalive_timeout=idle_s,
        )
        connector._factory = partial(_watched_handler, asyncio.get_running_loop())
        self._session = aiohttp.ClientSession(
            connector=connector,
            request_class=WatchedRequest,
            timeout=aiohttp.ClientTimeout(total=timeout_s),
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={"User-Agent": USER_AGENT},
            skip_auto_headers=("Accept", "Accept-Encoding", "Content-Type"),
            auto_decompress=False,
            max_line_size=MAX_HEAD,
            max_field_size=MAX_HEAD,
            max_headers=MAX_HEADERS,
            trust_env=False,
        )

    @property
    def in_flight(self) -> int:
        """See `http_client.Client`."""
        return len(self._exchanges)

    def start(self, request: Request, on_done: OnDone) -> AiohttpExchange:
        """See `http_client.Client`."""
        loop = asyncio.get_running_loop()
        exchange = AiohttpExchange(loop.create_task(self._outcome(request), name="exchange"))
        self._exchanges.add(exchange)

        def tell(task: asyncio.Task[Reply | Fault]) -> None:
            self._exchanges.discard(exchange)
            if exchange.is_done:
                return
            exchange.is_done = True
            if task.cancelled():  # by `close`
                result: Reply | Fault = Fault("closed", "the client was closed", sent=True)
            elif (error := task.exception()) is not None:
                result = Fault("protocol", f"the exchange failed: {type(error).__name__}", sent=True)
            else:
                result = task.result()
            try:
                on_done(result)
            except Exception as error:
                loop.call_exception_handler({"message": "on_done of a request failed", "exception": error})

        exchange.task.add_done_callback(tell)
        return exchange

    async def send(self, request: Request) -> Reply:
        """See `http_client.Client`."""
        return await http_client.send(self, request)

    async def close(self) -> None:
        """See `http_client.Client`."""
        self._closed = True
        tasks = [exchange.task for exchange in self._exchanges]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
            await asyncio.sleep(0)  # the callbacks of the tasks
        await self._session.close()

    async def _outcome(self, request: Request) -> Reply | Fault:
        heads: list[HeadReader] = []
        _HEADS.set(heads)
        try:
            if self._closed:
                raise Fault("closed", "the client is closed")
            origin, _, _ = split_url(request.url)
            check_headers(request)
            return await self._exchange(request)
        except Fault as fault:
            return fault
        except TimeoutError:
            within = f"within {self._timeout_s:g} s"
            return _so_far(heads, f"not whole {within}") or Fault("timeout", f"no answer {within}", sent=True)
        except (aiohttp.ClientError, OSError, ValueError, RuntimeError) as error:
            return _so_far(heads, "malformed, too long or cut off") or _fault_of(error, is_tls=origin.scheme == "https")

    async def _exchange(self, request: Request) -> Reply:
        url = URL(request.url, encoded=True)  # a plain string would be quoted again and lose its %2F
        async with self._session.request(
            request.method, url, data=_payload(request.body), headers=request.headers, allow_redirects=False
        ) as response:
            if response.status < 200:
                response.close()
                raise Fault("protocol", f"the answer is none: its status is {response.status}", sent=True)
            body, trouble = bytearray(), ""
            try:
                async for chunk in response.content.iter_any():
                    body += chunk
                    if len(body) > MAX_BODY:
                        trouble = "body: it is longer than 256 KB"
                        response.close()
                        break
            except (aiohttp.ClientError, OSError, ValueError) as error:
                trouble = f"body: {type(error).__name__}"
                response.close()
            headers = {name.lower(): value for name, value in response.headers.items()}
            return Reply(response.status, headers, bytes(body[:MAX_BODY]), trouble)


def _so_far(heads: list[HeadReader], why: str) -> Reply | Fault | None:
    """What was read of an answer that failed: its status, if there was one, decides."""
    head = heads[-1] if heads else None
    if head is not None and head.status >= 200:
        return Reply(head.status, head.headers, b"", f"{'body' if head.has_ended else 'headers'}: {why}")
    if head is not None and head.is_over:
        return Fault("protocol", "no final status within 256 KB", sent=True)
    return None


def _payload(body: bytes) -> bytes | io.BytesIO | None:
    """aiohttp warns of large bodies that are bytes."""
    return io.BytesIO(body) if len(body) > LARGE_BODY else body or None


class _OwnResolver(AbstractResolver):
    """Look-ups in threads of their own, for aiohttp."""

    def __init__(self, resolver: Resolver) -> None:
        self._resolver = resolver

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """Raises OSError."""
        try:
            infos = await self._resolver.resolve(host, port)
        except Fault as fault:
            raise OSError(None, fault.words) from None
        return [
            ResolveResult(
                hostname=host, host=str(address[0]), port=port, family=kind, proto=proto, flags=socket.AI_NUMERICHOST
            )
            for kind, _, proto, _, address in infos
        ]

    async def close(self) -> None:
        """Nothing is held."""


def _fault_of(error: Exception, *, is_tls: bool) -> Fault:
    """A Fault in the words that the other make uses."""
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return Fault("dns", error.os_error.strerror or "the name look-up failed")
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return tls_fault(error.certificate_error)
    if isinstance(error, aiohttp.ClientSSLError):
        return tls_fault(error.os_error)
    if isinstance(error, aiohttp.ClientConnectorError):
        in_handshake = is_tls and error.os_error.errno in (None, errno.ECONNRESET)
        return tls_fault(error.os_error) if in_handshake else connect_fault(error.os_error)
    if isinstance(error, aiohttp.ClientResponseError):
        return Fault("protocol", "the answer is not HTTP/1, or a header of it is malformed", sent=True)
    if isinstance(error, aiohttp.ServerDisconnectedError | aiohttp.ClientOSError | OSError):
        return Fault("closed", "the vendor closed the connection without an answer", sent=True)
    if isinstance(error, aiohttp.InvalidURL):
        return Fault("url", "the request's URL is not one: is base_url right?")
    return Fault("protocol", f"the exchange failed: {type(error).__name__}", sent=True)
