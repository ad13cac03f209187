"""The HTTP side of ingestion: routes and handlers. 200 is answered only after the acceptor has stored the calls.

    request -> limits.read_body -> parse -> intake -> acceptor.accept -> answer

`answers` says what an error becomes, `cors` what browsers are told, `listener` runs it. `router/openapi.json` describes all
of it for people and tools; the tests hold the two together.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from functools import partial
from pathlib import Path

from aiohttp import hdrs, web

import router
from router.clock import Clock
from router.errors import StoreBusy, StoreClosed
from router.ingest import limits
from router.ingest.answers import document, refusal_for, success
from router.ingest.auth import Sources
from router.ingest.cors import grant, preflight
from router.ingest.intake import SOURCE, Acceptor, Intake
from router.ingest.limits import MAX_BATCH_BYTES, MAX_SINGLE_BYTES, MAX_WEBHOOK_BYTES, read_body
from router.ingest.listener import make_runner
from router.ingest.parse import parse_batch, parse_single
from router.ingest.pixel import Pixel
from router.ingest.proxy import networks
from router.ingest.settings import Settings
from router.ingest.webhook import SIGNATURE, check_signature, parse_webhook
from router.metrics import Metrics

__all__ = ["BATCH_PATHS", "SINGLE_PATHS", "make_app", "make_runner"]

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
JITSU_KEY = "X-Write-Key"
WEBHOOK_METHODS = (hdrs.METH_POST, hdrs.METH_PUT, hdrs.METH_PATCH)

OPENAPI = Path(router.__file__).parent / "openapi.json"

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def make_app(
    acceptor: Acceptor,
    sources: Sources,
    clock: Clock,
    *,
    trusted_proxies: Iterable[str] = (),
    public_url: str = "",
    metrics: Metrics | None = None,
) -> web.Application:
    """The ingestion application; to be run by `make_runner`.

    Args:
        trusted_proxies: addresses or networks whose X-Forwarded-For, -Host and -Proto are believed.
        public_url: the address that clients are told; empty: the one they asked at.
        metrics: where the answers are counted.
    """
    proxies = networks(trusted_proxies)
    intake = Intake(acceptor, sources, clock, proxies)
    posts, pixel, settings = _Posts(intake), Pixel(intake), Settings(sources, clock, public_url, proxies)
    edge = _Edge(metrics or Metrics())
    app = web.Application(middlewares=[edge.answer])
    app.on_shutdown.append(edge.cut)
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


def _add(app: web.Application, path: str, handler: Handler, *methods: str) -> None:
    for spelling in (path, f"{path}/"):
        for method in methods or (hdrs.METH_POST,):
            app.router.add_route(method, spelling, handler)


class _Posts:
    """The handlers of calls in a body."""

    def __init__(self, intake: Intake) -> None:
        self._intake = intake

    async def single(self, type: str, request: web.Request) -> web.Response:
        """One call; its type is in the path."""
        posted = parse_single(type, await read_body(request, MAX_SINGLE_BYTES))
        await self._intake.take(request, posted, single=True)
        return success()

    async def batch(self, request: web.Request) -> web.Response:
        """Many calls, each with its type."""
        await self._intake.take(request, parse_batch(await read_body(request, MAX_BATCH_BYTES)))
        return success()

    async def beacon(self, request: web.Request) -> web.Response:
        """A batch of a page that is being left; a beacon has no headers, so the write key is in the URL."""
        posted = parse_batch(await read_body(request, MAX_BATCH_BYTES))
        await self._intake.take(request, posted, key=request.query.get("writeKey", ""))
        return success()

    async def jitsu(self, type: str, request: web.Request) -> web.Response:
        """One call of Jitsu's libraries. Their key is `<write key>:<secret>`, and masked in the body."""
        posted = parse_single(type, await read_body(request, MAX_SINGLE_BYTES))
        key = request.headers.get(JITSU_KEY, "").partition(":")[0].strip()
        await self._intake.take(request, posted, single=True, key=key, believes_body=False)
        return success()

    async def webhook(self, request: web.Request) -> web.Response:
        """An event, or an array of them, of Segment's Webhooks destination."""
        body = await read_body(request, MAX_WEBHOOK_BYTES)
        signature = request.headers.get(SIGNATURE, "")
        key = request.match_info.get("key") or request.query.get("writeKey") or request.headers.get(JITSU_KEY) or ""
        await self._intake.take(
            request,
            parse_webhook(body),
            key=key.strip(),
            believes_body=False,
            kind="segment-webhook",
            check=lambda source: check_signature(body, signature, source.secrets) if source.secrets else None,
        )
        return success()


async def _drop(request: web.Request) -> web.Response:
    return success()


async def _show(openapi: bytes, request: web.Request) -> web.Response:
    return document(openapi)


class _Edge:
    """Around every handler: bounds what is in flight, answers errors and preflights, lets browsers read the answer."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._in_flight: set[asyncio.Task[object]] = set()
        self._is_cut = False

    @web.middleware
    async def answer(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """The answer to any request."""
        answer: web.StreamResponse
        task = asyncio.current_task()
        assert task is not None
        self._in_flight.add(task)
        try:
            if self._is_cut:
                raise StoreClosed
            if len(self._in_flight) > limits.MAX_IN_FLIGHT:
                raise StoreBusy
            answer = await handler(request)
        except asyncio.CancelledError:
            if not self._is_cut:
                raise
            task.uncancel()
            answer = refusal_for(StoreClosed())  # it may be stored in the end: the client's retry is then a duplicate
        except Exception as error:  # the edge: whatever went wrong, the client gets an answer it can read
            answer = preflight(request) if request.method == hdrs.METH_OPTIONS else refusal_for(error)
        finally:
            self._in_flight.discard(task)
        self._metrics.requests[request.get(SOURCE, ""), answer.status] += 1
        origin = request.headers.get(hdrs.ORIGIN)
        if origin is not None:
            grant(origin, answer)
        return answer

    async def cut(self, app: web.Application) -> None:
        """Answer what is in flight with 503 now: the listener ends."""
        self._is_cut = True
        for task in self._in_flight:
            task.cancel()
