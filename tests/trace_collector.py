"""A collector of traces: a real HTTP server on loopback that reads OTLP, and can be down, slow or refuse."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from ssl import SSLContext
from types import TracebackType
from typing import Any, NamedTuple, Self

from aiohttp import web
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.patience import HANG_S


class Seen(NamedTuple):
    """One span as it came."""

    name: str
    trace_id: str
    span_id: str
    parent_id: str
    links: list[tuple[str, str]]  #: trace and span
    attributes: dict[str, str | int]
    fault: str  #: the words of its status; "" where it is not an error
    took_ns: int

    @property
    def traceparent(self) -> str:
        """What names it, as far as W3C Trace Context is concerned without its flags."""
        return f"00-{self.trace_id}-{self.span_id}"


class TraceCollector:
    """The server, while its context is open. `status`: what it answers; `gate`: what it waits for before that."""

    def __init__(self, port: int = 0, ssl: SSLContext | None = None) -> None:
        self.spans: list[Seen] = []
        self.about: dict[str, str | int] = {}  #: the resource of the spans
        self.headers: dict[str, str] = {}  #: of the last export, names in lower case
        self.paths: list[str] = []
        self.status = 200
        self.gate: asyncio.Event | None = None
        self._port, self._ssl = port, ssl
        self._more = asyncio.Condition()

    async def __aenter__(self) -> Self:
        app = web.Application()
        app.router.add_post("/{path:.*}", self._take)
        self._runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=1.0)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self._port, ssl_context=self._ssl).start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._runner.cleanup()

    @property
    def url(self) -> str:
        """Its address, without a path."""
        host, port = self._runner.addresses[0][:2]
        return f"{'https' if self._ssl else 'http'}://{host}:{port}"

    async def until(self, look: Callable[[list[Seen]], bool]) -> list[Seen]:
        """The spans, once `look` says so of them."""
        async with asyncio.timeout(HANG_S), self._more:
            await self._more.wait_for(lambda: look(self.spans))
        return self.spans

    async def asked(self, times: int) -> None:
        """Return once so many exports have come."""
        async with asyncio.timeout(HANG_S), self._more:
            await self._more.wait_for(lambda: len(self.paths) >= times)

    async def _take(self, request: web.Request) -> web.Response:
        body = await request.read()
        async with self._more:
            self.paths.append(request.path)
            self._more.notify_all()
        if self.gate is not None:
            await self.gate.wait()
        if self.status != 200:
            return web.Response(status=self.status)
        told = ExportTraceServiceRequest.FromString(body)
        async with self._more:
            self.headers = {name.lower(): value for name, value in request.headers.items()}
            for resource in told.resource_spans:
                self.about = _attributes(resource.resource.attributes)
                self.spans += [_seen(span) for scope in resource.scope_spans for span in scope.spans]
            self._more.notify_all()
        return web.Response(content_type="application/x-protobuf")


def _seen(span: Any) -> Seen:
    return Seen(
        name=span.name,
        trace_id=span.trace_id.hex(),
        span_id=span.span_id.hex(),
        parent_id=span.parent_span_id.hex(),
        links=[(link.trace_id.hex(), link.span_id.hex()) for link in span.links],
        attributes=_attributes(span.attributes),
        fault=span.status.message if span.status.code == 2 else "",
        took_ns=span.end_time_unix_nano - span.start_time_unix_nano,
    )


def _attributes(pairs: Any) -> dict[str, str | int]:
    return {pair.key: getattr(pair.value, pair.value.WhichOneof("value")) for pair in pairs}
