"""Spans that are kept in memory in place of being sent, by the exporter that the SDK has for that."""

from __future__ import annotations

from random import Random

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from router.tracing.otel import OtelTracing


class RecordingTracing(OtelTracing):
    """Its spans are there as soon as they have ended."""

    def __init__(self, share: float = 1.0) -> None:
        self._kept = InMemorySpanExporter()
        super().__init__(SimpleSpanProcessor(self._kept), share, "test", Random(1))

    @property
    def spans(self) -> tuple[ReadableSpan, ...]:
        """Those that have ended, in this order."""
        return self._kept.get_finished_spans()

    def told(self) -> list[tuple[str, dict[str, object], str]]:
        """Name, attributes and fault of each."""
        return [(span.name, dict(span.attributes or {}), span.status.description or "") for span in self.spans]
