"""The HTTP side of ingestion: paths and handlers. 200 is answered only after the calls are stored.

    request -> body -> parse -> admission -> sink -> response

`responses` says what an error becomes, `cors` what browsers are told, `aiohttp_server` runs it. `router/openapi.json`
describes all of it for people and tools; the tests hold the two together.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path

from aiohttp import hdrs, web

import router
from router.clock import Clock
from router.ingest import limits
from router.ingest.admission import WEBHOOK_KIND, Admission
from router.ingest.aiohttp_server import LISTENER, Listener
from router.ingest.body import expect_later, read_body
from router.ingest.call_sink import CallSink
from router.ingest.hot_path import HOT_PATH, HotPath
from router.ingest.in_flight import IN_FLIGHT, InFlight
from router.ingest.limits import MAX_BATCH_BYTES, MAX_SINGLE_BYTES, MAX_WEBHOOK_BYTES
from router.ingest.middleware import Handler, Middleware
from router.ingest.parse import parse_batch, parse_single
from router.ingest.pixel import Pixel
from router.ingest.proxy import networks
from router.ingest.refusals import Refusals
from router.ingest.request_head import HeadReader, Route
from router.ingest.responses import document, success
from router.ingest.sdk_settings import SdkSettings
from router.ingest.webhook import SIGNATURE, check_signature, parse_webhook
from router.ingest.write_key import Sender, Sources
from router.metrics import Metrics
from router.tracing import Tracing

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

JITSU_PATHS = ("/api/s/", "/api/s/s2s/")
WEBHOOK_METHODS = (hdrs.METH_POST, hdrs.METH_PUT, hdrs.METH_PATCH)

OPENAPI = Path(router.__file__).parent / "openapi.json"


def make_app(
    sink: CallSink,
    sources: Sources,
    clock: Clock,
    *,
    trusted_proxies: Iterable[str] = (),
    public_url: str = "",
    metrics: Metrics | None = None,
    tracing: Tracing | None = None,
) -> web.Application:
    """The ingestion application; to be run by `aiohttp_server.make_runner`.

    Args:
        trusted_proxies: addresses or networks whose X-Forwarded-For, -Host and -Proto are believed.
        public_url: the address that clients are told; empty: the one they asked at.
        metrics: where the answers are counted, and what was mended in calls.
        tracing: begins the span of each request with events; None: nothing is traced.
    """
    proxies = networks(trusted_proxies)
    metrics, in_flight = metrics or Metrics(), InFlight()
    admission = Admission(sink, sources, clock, proxies, metrics.input_warnings, tracing)
    refusals = Refusals(sink, clock, metrics)
    posts, pixel = _Posts(admission), Pixel(admission, refusals)
    settings = SdkSettings(sources, clock, public_url, proxies)
    middleware = Middleware(metrics, in_flight, refusals)
    app = web.Application(middlewares=[middleware.answer])
    app[LISTENER] = Listener("ingest", limits.INGEST, metrics, refusals)
    app[IN_FLIGHT] = in_flight
    heads = HeadReader(dict(_hot_routes()), is_traced=tracing is not None)
    app[HOT_PATH] = HotPath(admission, metrics, in_flight, heads)
    app.on_shutdown.append(middleware.cut)
    for type, names in SINGLE_PATHS.items():
        for name in names:
            _add(app, f"/v1/{name}", partial(posts.single, type))
        for prefix in JITSU_PATHS:
            _add(app, prefix + type, partial(posts.jitsu, type))
    for name in BATCH_PATHS:
        _add(app, f"/v1/{name}", posts.batch)
    _add(app, "/beacon/v1/batch", posts.beacon)
    _add(app, f"/v1/{METRICS_PATH}", _drop)
    _add(app, "/v1/webhook", posts.webhook, *WEBHOOK_METHODS)
    _add(app, "/v1/webhook/{key}", posts.webhook, *WEBHOOK_METHODS)
    reading = (hdrs.METH_GET, hdrs.METH_HEAD)
    _add(app, "/v1/pixel/{type}", pixel.get, *reading)
    _add(app, "/pixel/v1/{type}", pixel.get, *reading)
    _add(app, "/v1/projects/{key}/settings", settings.segment, *reading)
    _add(app, "/sourceConfig", settings.rudderstack, *reading)
    _add(app, "/openapi.json", partial(_show, OPENAPI.read_bytes()), *reading)
    return app


def _hot_routes() -> Iterator[tuple[str, Route]]:
    """The paths of the hot path, and what is posted there."""
    for type, names in SINGLE_PATHS.items():
        for name in names:
            yield from _spelled(f"/v1/{name}", Route(type, MAX_SINGLE_BYTES))
    for name in BATCH_PATHS:
        yield from _spelled(f"/v1/{name}", Route("", limits.MAX_LIGHT_BYTES))


def _spelled(path: str, route: Route) -> Iterator[tuple[str, Route]]:
    yield path, route
    yield f"{path}/", route


def _add(app: web.Application, path: str, handler: Handler, *methods: str) -> None:
    for spelling in (path, f"{path}/", f"/{path}", f"/{path}/"):  # a host that ends in "/" makes //v1/batch
        for method in methods or (hdrs.METH_POST,):
            app.router.add_route(method, spelling, handler, expect_handler=expect_later)


class _Posts:
    """The handlers of calls in a body."""

    def __init__(self, admission: Admission) -> None:
        self._admission = admission

    async def single(self, type: str, request: web.Request) -> web.Response:
        """One call; its type is in the path."""
        self._admission.identify(request)
        posted = parse_single(type, await read_body(request, MAX_SINGLE_BYTES))
        return success(await self._admission.take(request, posted, single=True))

    async def batch(self, request: web.Request) -> web.Response:
        """Many calls, each with its type."""
        self._admission.identify(request)
        return success(await self._admission.take(request, parse_batch(await read_body(request, MAX_BATCH_BYTES))))

    async def beacon(self, request: web.Request) -> web.Response:
        """A batch of a page that is being left; a beacon has no headers, so the write key is in the URL."""
        self._admission.identify(request, Sender.PAGE)
        posted = parse_batch(await read_body(request, MAX_BATCH_BYTES))
        return success(await self._admission.take(request, posted, Sender.PAGE))

    async def jitsu(self, type: str, request: web.Request) -> web.Response:
        """One call of Jitsu's libraries. Their key is `<write key>:<secret>`, and masked in the body."""
        self._admission.identify(request, Sender.JITSU)
        posted = parse_single(type, await read_body(request, MAX_SINGLE_BYTES))
        return success(await self._admission.take(request, posted, Sender.JITSU, single=True))

    async def webhook(self, request: web.Request) -> web.Response:
        """An event, or an array of them, of Segment's Webhooks destination. 404 where no source takes them."""
        if not self._admission.sources.has_kind(WEBHOOK_KIND):
            raise web.HTTPNotFound
        source = self._admission.identify(request, Sender.WEBHOOK)
        body = await read_body(request, MAX_WEBHOOK_BYTES)
        if source is not None and source.secrets:
            check_signature(body, request.headers.get(SIGNATURE, ""), source.secrets)
        return success(await self._admission.take(request, parse_webhook(body), Sender.WEBHOOK))


async def _drop(request: web.Request) -> web.Response:
    return success()


async def _show(openapi: bytes, request: web.Request) -> web.Response:
    return document(openapi)
