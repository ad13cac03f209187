"""Sends spans to the collector from a thread of its own: a bounded queue in front of it, a line of the log when an outage begins and
when it ends.

What does not find room in the queue, or is not taken, is lost. Nothing waits for it.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence

from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult

from router.config import TracingConfig
from router.logger import Log
from router.tracing.bounded_http import make_session
from router.vocabulary import MASK

QUEUE, BATCH, PAUSE_MS = 1_024, 128, 1_000
"""Spans that wait, spans of one export, and the longest wait for a fuller one. A span takes 3 KB of memory, one with all its links 23.
An export holds the interpreter for 50 us a span."""
TIMEOUT_S = 5.0
"""For one export, with the attempts that the exporter makes of it, to the end of the last answer."""
MAX_DETAIL = 500
"""Characters of what is told of a failure."""
_LIBRARY = "opentelemetry"


class TellingExporter(SpanExporter):
    """The exporter of the SDK, and what is told of it. Runs in the thread of the processor."""

    def __init__(self, exporter: SpanExporter, endpoint: str, log: Log, last_words: LastWords) -> None:
        self._exporter, self._endpoint, self._log, self._last_words = exporter, endpoint, log, last_words
        self._lost = 0  #: spans since the outage began
        self._is_shut = False

    @property
    def is_failing(self) -> bool:
        """Whether the last spans were not taken."""
        return self._lost > 0

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Send these. Whatever is wrong with the collector, this returns within TIMEOUT_S or little more."""
        self._last_words.begin()
        try:
            result = self._exporter.export(spans)
        except Exception as error:  # a fault of the SDK costs spans, and is told as any other failure
            result = SpanExportResult.FAILURE
            self._last_words.say(f"{type(error).__name__}: {error}")
        if result is not SpanExportResult.SUCCESS:
            if not self._lost and not self._is_shut:
                self.tell_failure(self._last_words.masked())
            self._lost += len(spans)
        elif self._lost:
            self._log.emit("tracing_recovered", endpoint=self._endpoint, lost=self._lost)
            self._lost = 0
        return result

    def shutdown(self) -> None:
        """End what is on its way, and its waits. From any thread, also a second time."""
        if not self._is_shut:
            self._is_shut = True
            self._exporter.shutdown()

    def tell_failure(self, detail: str) -> None:
        """Spans are lost from now on."""
        self._log.emit("tracing_failed", endpoint=self._endpoint, detail=detail)


class LastWords(logging.Handler):
    """Keeps what the SDK said of the last export. It says something for each attempt, which would fill the log while a collector is down."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        super().__init__()
        self._first = self._last = ""
        self._secrets = tuple(secrets)

    def begin(self) -> None:
        """An export begins."""
        self._first = self._last = ""

    def say(self, text: str) -> None:
        """Keep what is said of the first attempt, which names the cause, and what is said last."""
        self._first, self._last = self._first or text, text

    def masked(self) -> str:
        """These words without any of the secrets. They may quote the collector, so there is an end to them."""
        text = self._first if self._first == self._last else f"{self._first} {self._last}"
        for secret in filter(None, self._secrets):
            text = text.replace(secret, MASK)
        return text[:MAX_DETAIL]

    def emit(self, record: logging.LogRecord) -> None:
        """Keep it."""
        self.say(record.getMessage())

    def hear(self) -> None:
        """From now on the SDK speaks to this, and not to the log."""
        logger = logging.getLogger(_LIBRARY)
        logger.addHandler(self)
        logger.propagate = False

    def leave(self) -> None:
        """From now on it speaks to the log again."""
        logger = logging.getLogger(_LIBRARY)
        logger.propagate = True
        logger.removeHandler(self)


def make_exporter(config: TracingConfig) -> SpanExporter:
    """The exporter of the SDK. What config.toml does not say, such as a certificate, it takes from its own variables (OTEL_...)."""
    return OTLPSpanExporter(
        config.endpoint,
        headers=dict(config.headers),
        timeout=TIMEOUT_S,
        compression=Compression.NoCompression,
        session=make_session(),
    )


def make_processor(exporter: SpanExporter) -> BatchSpanProcessor:
    """The queue and the thread. Of spans that find no room the oldest go."""
    return BatchSpanProcessor(exporter, QUEUE, PAUSE_MS, BATCH)
