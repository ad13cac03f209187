"""Spans of OpenTelemetry's SDK. Whether there is one is decided before the SDK is asked: a span takes it 23 us, a refused one 8."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import islice
from random import Random

from opentelemetry.context import Context
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanLimits, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_ON
from opentelemetry.trace import (
    Link,
    NonRecordingSpan,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    get_current_span,
    set_span_in_context,
)
from opentelemetry.trace import Span as SdkSpan
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from router import __version__
from router.tracing import Span

MAX_LINKS = 32
"""Requests that the span of one delivery refers to. A batch may hold events of many."""
PREFIX = "segment_router."
STATUS = "http.response.status_code"
_HEADER = "traceparent"
_propagator = TraceContextTextMapPropagator()


class OtelSpan:
    """See `router.tracing.Span`."""

    __slots__ = ("_span", "traceparent")

    def __init__(self, span: SdkSpan) -> None:
        self._span = span
        carrier: dict[str, str] = {}
        _propagator.inject(carrier, set_span_in_context(span))
        self.traceparent = carrier[_HEADER]

    def note(self, **attributes: str | int) -> None:
        """See `router.tracing.Span`."""
        self._span.set_attributes(
            {STATUS if name == "status" else PREFIX + name: at for name, at in attributes.items()}
        )

    def end(self, fault: str = "", **attributes: str | int) -> None:
        """See `router.tracing.Span`."""
        self.note(**attributes)
        if fault:
            self._span.set_status(Status(StatusCode.ERROR, fault))
        self._span.end()


class OtelTracing:
    """See `router.tracing.Tracing`. `share`: of the requests that are traced, from 0 to 1."""

    def __init__(self, processor: SpanProcessor, share: float, instance: str, random: Random) -> None:
        self._share, self._random = share, random
        about = {"service.name": "segment-router", "service.version": __version__, "service.instance.id": instance}
        provider = TracerProvider(
            sampler=ALWAYS_ON,
            resource=Resource(about),
            shutdown_on_exit=False,
            span_limits=SpanLimits(max_links=MAX_LINKS),
        )
        provider.add_span_processor(processor)
        self._tracer = provider.get_tracer("segment-router", __version__)

    def request(self, traceparent: str) -> Span | None:
        """See `router.tracing.Tracing`. Who sends can ask for less to be traced, never for more."""
        parent = _context_of(traceparent)
        if parent is not None and not parent.trace_flags.sampled:
            return None
        if self._random.random() >= self._share:
            return None
        return self._begun("ingest", SpanKind.SERVER, parent)

    def delivery(self, destination: str, traceparents: Iterable[str], *, is_drawn: bool = False) -> Span | None:
        """See `router.tracing.Tracing`. With events of one request it belongs to that request's trace. With those of several it is a
        trace of its own, with a link to each."""
        requests = [context for text in _some(traceparents) if (context := _context_of(text)) is not None]
        if not requests and not (is_drawn and self._random.random() < self._share):
            return None
        name = f"deliver {destination}"
        if len(requests) == 1:
            return self._begun(name, SpanKind.CLIENT, requests[0])
        return self._begun(name, SpanKind.CLIENT, None, [Link(context) for context in requests])

    def _begun(self, name: str, kind: SpanKind, parent: SpanContext | None, links: Sequence[Link] = ()) -> Span | None:
        context = Context() if parent is None else set_span_in_context(NonRecordingSpan(parent), Context())
        span = self._tracer.start_span(name, context, kind, links=links)
        return OtelSpan(span) if span.is_recording() else None  # OTEL_SDK_DISABLED


def _some(traceparents: Iterable[str]) -> Iterable[str]:
    """Each once, as many as a span may refer to."""
    return islice(filter(None, dict.fromkeys(traceparents)), MAX_LINKS)


def _context_of(traceparent: str) -> SpanContext | None:
    """What a header names; None for none, and for what is no `traceparent`."""
    if not traceparent:
        return None
    found = get_current_span(_propagator.extract({_HEADER: traceparent}, Context())).get_span_context()
    return found if found.is_valid else None
