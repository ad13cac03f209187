"""The HTTP side of ingestion: routes, answers and errors. 200 is answered only after the acceptor has stored the calls.

    request -> limits.read_body -> parse -> auth -> acceptor.accept -> answer

Every answer is a JSON object, errors and malformed HTTP included: client libraries parse whatever comes. What status an
error becomes is decided here, in `_refusal_for`, and nowhere else.
"""

from __future__ import annotations

import ipaddress
import logging
from collections.abc import Awaitable, Callable, Iterable
from functools import lru_cache, partial
from typing import Any, Protocol

import msgspec
from aiohttp import hdrs, web
from multidict import CIMultiDict

from router.clock import Clock
from router.errors import InvalidCall, StoreBusy, StoreClosed, StoreError, StoreFull
from router.event import Call, Discard
from router.ingest.auth import Source, Sources
from router.ingest.limits import MAX_BATCH_BYTES, MAX_SINGLE_BYTES, read_body
from router.ingest.parse import Posted, parse_batch, parse_single

SINGLE_PATHS = {
    "identify": ("identify", "i"),
    "group": ("group", "g"),
    "track": ("track", "t"),
    "page": ("page", "p"),
    "screen": ("screen", "s"),
    "alias": ("alias", "a"),
}
"""The paths under /v1 that carry one call, by its type."""

BATCH_PATHS = ("batch", "b", "import")
METRICS_PATH = "m"  # what client libraries tell of themselves: no events

UNAVAILABLE: dict[type[StoreError], tuple[str, int]] = {
    StoreBusy: ("store_busy", 1),
    StoreClosed: ("store_closed", 5),
    StoreFull: ("store_full", 30),
    StoreError: ("store_error", 5),
}
"""Code, and Retry-After in whole seconds, never a date: most clients parse nothing else."""

_JSON = "application/json"
_SUCCESS = b'{"success": true}'
_SUCCESS_HEADERS = CIMultiDict({hdrs.CONTENT_TYPE: _JSON})

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

log = logging.getLogger("router.ingest")  # the daemon takes standard-library records into its own log


class Acceptor(Protocol):
    """The stage behind ingestion."""

    async def accept(self, calls: list[Call], discards: list[Discard]) -> None:
        """Return once all of these are on stable storage. Raises StoreError when none of them may be acknowledged."""
        ...


def make_app(
    acceptor: Acceptor, sources: Sources, clock: Clock, *, trusted_proxies: Iterable[str] = ()
) -> web.Application:
    """The ingestion application; to be run by `make_runner`.

    Args:
        trusted_proxies: addresses or networks whose X-Forwarded-For is believed.
    """
    proxies = tuple(ipaddress.ip_network(proxy, strict=False) for proxy in trusted_proxies)
    ingest = _Ingest(acceptor, sources, clock, proxies)
    app = web.Application(middlewares=[_errors_as_json])
    for type, names in SINGLE_PATHS.items():
        for name in names:
            _add_post(app, name, partial(ingest.single, type))
    for name in BATCH_PATHS:
        _add_post(app, name, ingest.batch)
    _add_post(app, METRICS_PATH, _drop)
    return app


def _add_post(app: web.Application, name: str, handler: Handler) -> None:
    app.router.add_post(f"/v1/{name}", handler)
    app.router.add_post(f"/v1/{name}/", handler)


class _Ingest:
    """The handlers, with what they need."""

    def __init__(self, acceptor: Acceptor, sources: Sources, clock: Clock, proxies: tuple[Network, ...]) -> None:
        self._acceptor = acceptor
        self._sources = sources
        self._clock = clock
        self._proxies = proxies

    async def single(self, type: str, request: web.Request) -> web.Response:
        """One call; its type is in the path."""
        body = await read_body(request, MAX_SINGLE_BYTES)
        return await self._accept(request, parse_single(type, body), single=True)

    async def batch(self, request: web.Request) -> web.Response:
        """Many calls, each with its type."""
        body = await read_body(request, MAX_BATCH_BYTES)
        return await self._accept(request, parse_batch(body), single=False)

    async def _accept(self, request: web.Request, posted: Posted, *, single: bool) -> web.Response:
        authorization = request.headers.get(hdrs.AUTHORIZATION)
        source = self._sources.authenticate(posted.write_key, authorization, posted.item_key)
        now = self._clock.now_ms()
        if source.enabled:
            calls, discards = posted.calls(source.name, now, client_ip(request, self._proxies))
        else:
            calls, discards = [], [_dropped(source, now, posted)]
        if single and discards and source.enabled and source.strict:
            raise InvalidCall(discards[0].code, discards[0].message)
        if calls or discards:
            await self._acceptor.accept(calls, discards)
        return _success()


async def _drop(request: web.Request) -> web.Response:
    return _success()


def _dropped(source: Source, now: int, posted: Posted) -> Discard:
    # One for the whole request: a disabled source is no reason to write a row for each of its events.
    message = f"the source is disabled; calls dropped: {posted.size}"
    return Discard(source.name, now, "source_disabled", message)


def client_ip(request: web.BaseRequest, proxies: tuple[Network, ...]) -> str | None:
    """The client's address: the last hop that is no trusted proxy of ours."""
    ip = _plain_ip(request.remote or "")
    if proxies and _is_trusted(ip, proxies):
        hops = ",".join(request.headers.getall(hdrs.X_FORWARDED_FOR, ())).split(",")
        for hop in reversed([_plain_ip(hop) for hop in hops if hop.strip()]):
            ip = hop
            if not _is_trusted(hop, proxies):
                break
    return ip or None


@lru_cache(maxsize=4096)
def _plain_ip(text: str) -> str:
    """An address without what proxies add to it (port, brackets, zone); "" for anything that is none."""
    text = text.strip()
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    text = text.partition("%")[0].removeprefix("::ffff:")
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        return ""


def _is_trusted(ip: str, proxies: tuple[Network, ...]) -> bool:
    return bool(ip) and any(ipaddress.ip_address(ip) in proxy for proxy in proxies)


# ---------------------------------------------------------------- answers


def _success() -> web.Response:
    return web.Response(body=_SUCCESS, headers=_SUCCESS_HEADERS)


def _failure(status: int, code: str, message: str, **headers: str) -> web.Response:
    # Some clients read code and message, some read error.
    body = msgspec.json.encode({"success": False, "code": code, "message": message, "error": message})
    return web.Response(status=status, body=body, headers={hdrs.CONTENT_TYPE: _JSON, **headers})


@web.middleware
async def _errors_as_json(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except Exception as error:  # the edge: whatever went wrong, the client gets an answer it can read
        return _refusal_for(error)


def _refusal_for(error: Exception) -> web.Response:
    match error:
        case InvalidCall():
            return _failure(error.status, error.code, str(error))
        case StoreError():
            code, wait_s = next(UNAVAILABLE[family] for family in type(error).__mro__ if family in UNAVAILABLE)
            message = f"nothing was stored; try again in {wait_s} s"
            return _failure(503, code, message, **{hdrs.RETRY_AFTER: str(wait_s)})
        case web.HTTPMethodNotAllowed():
            allow = ",".join(sorted(error.allowed_methods))
            return _failure(405, "method_not_allowed", f"use {allow}", **{hdrs.ALLOW: allow})
        case web.HTTPNotFound():
            return _failure(404, "not_found", "there is nothing at this path")
        case web.HTTPException():
            return _failure(error.status, "http_error", error.reason)
    log.error("a request failed", exc_info=error)
    return _failure(500, "internal_error", "an error of the router; it is in its log")


# ---------------------------------------------------------------- the listener


def make_runner(app: web.Application, **kwargs: Any) -> web.AppRunner:
    """The runner for `make_app`: no access log, bodies as they come, malformed HTTP answered in JSON."""
    return _Runner(app, access_log=None, auto_decompress=False, **kwargs)


class _Runner(web.AppRunner):
    __slots__ = ()

    async def _make_server(self) -> web.Server:
        server = await super()._make_server()
        return _Server(server.request_handler, request_factory=server.request_factory, **self._kwargs)


class _Server(web.Server):
    def __call__(self) -> web.RequestHandler:
        return _Connection(self, loop=self._loop, **self._kwargs)


class _Connection(web.RequestHandler):
    """One connection. aiohttp answers malformed HTTP itself, before any handler: in plain text, and logging a traceback."""

    __slots__ = ()

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
            response = _failure(status, "invalid_http", "the request is not valid HTTP")
        else:
            log.error("a request failed", exc_info=exc)
            response = _failure(status, "internal_error", "an error of the router; it is in its log")
        response.force_close()
        return response
