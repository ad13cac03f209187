"""The outgoing HTTP client of delivery: what it takes, what it gives back, and which make serves a destination.

There are two makes: one on httptools (`client_httptools`), and one on aiohttp (`client_aiohttp`) for machines without
httptools. Both keep the same rules: the URL goes out byte for byte, a status that was read decides, no redirect is followed,
cancelling cuts the connection, and all that a vendor can send is bounded.
"""

from __future__ import annotations

import asyncio
import ssl as tls
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from functools import cache
from typing import Literal, Protocol

import msgspec

from router.config import DeliveryConfig
from router.plugin import Request

MAX_HEAD = 256 * 1024
"""Bytes of an answer up to the end of its headers, all 1xx answers before it included."""
MAX_BODY = 256 * 1024
"""Bytes of an answer's body; what is beyond is not read."""
MAX_HEADERS = 1_000
"""Headers of an answer that are kept. 35,000 fit into MAX_HEAD: as texts they took megabytes, and 100 ms of the loop."""
USER_AGENT = "segment-router"

Reason = Literal["url", "header", "dns", "refused", "connect", "tls", "timeout", "closed", "protocol"]


class Reply(msgspec.Struct):
    """A status was read: it decides, whatever came after it."""

    status: int
    headers: dict[str, str]  #: names in lower case; of a repeated one the last
    body: bytes  #: at most MAX_BODY; empty where it could not be read
    trouble: str = ""  #: why headers or body are not whole: a warning, never a reason to send again
    resent: bool = False  #: it went out twice: an idle connection had died without a byte of answer


class Fault(Exception):
    """No status was read. `words` are for an operator: they hold no URL and no header value."""

    def __init__(self, reason: Reason, words: str, *, sent: bool = False) -> None:
        super().__init__(reason, words)
        self.reason = reason
        self.words = words
        self.sent = sent  #: the request may have reached the vendor
        self.resent = False  #: see Reply


OnDone = Callable[[Reply | Fault], None]


class Exchange(Protocol):
    """One request on its way."""

    def cancel(self) -> None:
        """Cut its connection; `on_done` is not called any more. Without effect once it was called."""
        ...


class Client(Protocol):
    """The connections of one destination."""

    @property
    def in_flight(self) -> int:
        """Requests on their way."""
        ...

    def start(self, request: Request, on_done: OnDone) -> Exchange:
        """Send a request. `on_done` is called exactly once, from the loop, never from inside `start`. It must not block; what
        it raises goes to the loop's exception handler."""
        ...

    async def send(self, request: Request) -> Reply:
        """Send a request. Raises Fault. Cancelling it cuts the connection."""
        ...

    async def close(self) -> None:
        """Cut everything in flight (a Fault `closed` each) and close the idle connections."""
        ...


async def send(client: Client, request: Request) -> Reply:
    """`Client.send` in terms of `Client.start`, for every make."""
    waiter: asyncio.Future[Reply | Fault] = asyncio.get_running_loop().create_future()

    def on_done(result: Reply | Fault) -> None:
        if not waiter.done():
            waiter.set_result(result)

    exchange = client.start(request, on_done)
    try:
        result = await waiter
    except asyncio.CancelledError:
        exchange.cancel()
        raise
    if isinstance(result, Fault):
        raise result
    return result


@cache
def default_ssl_context() -> tls.SSLContext:
    """The machine's certificate authorities, HTTP/1.1 only. One for the process: it takes 20 ms and 1.6 MB to make."""
    context = tls.create_default_context()
    context.set_alpn_protocols(["http/1.1"])
    return context


@asynccontextmanager
async def open_client(
    delivery: DeliveryConfig, *, resolve: Mapping[str, str] | None = None, ssl: tls.SSLContext | None = None
) -> AsyncIterator[Client]:
    """A destination's own connections: one vendor's slowness takes none of another's. `resolve`: fixed addresses by host."""
    client = _make(delivery.timeout_s, resolve or {}, ssl)
    try:
        yield client
    finally:
        await client.close()


def _make(timeout_s: float, resolve: Mapping[str, str], ssl: tls.SSLContext | None) -> Client:
    # imported here, so that each make costs memory only where it is used
    try:
        from router.deliver.send.client_httptools import HttptoolsClient
    except ImportError:  # no wheel for this machine, and no C compiler
        from router.deliver.send.client_aiohttp import AiohttpClient

        return AiohttpClient(timeout_s, resolve=resolve, ssl=ssl)
    return HttptoolsClient(timeout_s, resolve=resolve, ssl=ssl)
