"""A collector that takes nothing costs its spans and one line of the log."""

from __future__ import annotations

import io
import json
import logging
import threading
from collections.abc import Sequence
from random import Random
from typing import Any

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

from router.logger import make_log
from router.tracing.exporting import BATCH, QUEUE, LastWords, TellingExporter, make_processor
from router.tracing.otel import OtelTracing
from tests.patience import HANG_S

AT = "http://127.0.0.1:4318"
FAILURE, SUCCESS = SpanExportResult.FAILURE, SpanExportResult.SUCCESS


class Scripted(SpanExporter):
    """Answers as it is told, and says of each failure what the SDK says."""

    def __init__(self, *results: SpanExportResult, words: LastWords | None = None) -> None:
        self._results, self._words = list(results), words
        self.shutdowns = 0

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        result = self._results.pop(0)
        if self._words is not None and result is FAILURE:
            for text in (f"connection {len(self._results)} refused", "tried again", "given up"):
                self._words.say(text)
        return result

    def shutdown(self) -> None:
        self.shutdowns += 1


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_an_outage_is_told_when_it_begins_and_when_it_ends() -> None:
    written, words = io.StringIO(), LastWords()
    scripted = Scripted(FAILURE, FAILURE, SUCCESS, SUCCESS, FAILURE, words=words)
    exporter = TellingExporter(scripted, AT, make_log("info", "json", stream=written), words)
    spans: Any = [object()] * 3
    was_failing = []
    for _ in range(5):
        exporter.export(spans)
        was_failing.append(exporter.is_failing)
    assert was_failing == [True, True, False, False, True]
    told = [(line["event"], line.get("detail"), line.get("lost")) for line in lines(written)]
    assert {line["endpoint"] for line in lines(written)} == {AT}
    assert told == [
        ("tracing_failed", "connection 4 refused given up", None),
        ("tracing_recovered", None, 6),
        ("tracing_failed", "connection 0 refused given up", None),
    ]


def test_what_is_not_taken_after_the_end_is_not_told_as_an_outage() -> None:
    written, scripted = io.StringIO(), Scripted(FAILURE)
    exporter = TellingExporter(scripted, AT, make_log("info", "json", stream=written), LastWords())
    exporter.shutdown()
    exporter.shutdown()
    exporter.export([])
    assert scripted.shutdowns == 1
    assert lines(written) == []


def test_the_sdk_is_heard_in_place_of_the_log_only_while_spans_are_sent() -> None:
    words, logger = LastWords(), logging.getLogger("opentelemetry.exporter")
    heard: list[str] = []

    class Root(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            heard.append(record.getMessage())

    root = Root()
    logging.getLogger().addHandler(root)
    try:
        words.hear()
        logger.warning("attempt %d failed", 1)
        words.leave()
        assert (words.masked(), heard) == ("attempt 1 failed", [])
        logger.warning("later")
        assert (words.masked(), heard) == ("attempt 1 failed", ["later"])
    finally:
        logging.getLogger().removeHandler(root)


def test_a_header_is_masked_in_what_is_told() -> None:
    written = io.StringIO()

    class Broken(Scripted):
        def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
            raise ValueError("bad header 'pa55word'")

    exporter = TellingExporter(Broken(), AT, make_log("info", "json", stream=written), LastWords(["pa55word", ""]))
    assert exporter.export([]) is FAILURE
    assert [line["detail"] for line in lines(written)] == ["ValueError: bad header '***'"]


def test_spans_that_find_no_room_are_lost_and_nobody_waits_for_them() -> None:
    """The collector hangs: of three times as many spans as have room, the newest are there when it goes on."""
    began, goes_on = threading.Event(), threading.Event()
    taken: list[str] = []

    class Hanging(Scripted):
        def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
            began.set()
            goes_on.wait(HANG_S)
            taken.extend(str((span.attributes or {})["segment_router.events"]) for span in spans)
            return SUCCESS

    words = LastWords()
    words.hear()
    processor = make_processor(Hanging())
    tracing = OtelTracing(processor, 1.0, "test", Random(1))
    for number in range(3 * QUEUE):
        span = tracing.request("")
        assert span is not None
        span.end(events=number)
        if number == BATCH:
            assert began.wait(HANG_S)
    goes_on.set()
    processor.shutdown()  # type: ignore[no-untyped-call]  # the SDK has no types there
    words.leave()
    assert QUEUE <= len(taken) <= QUEUE + 2 * BATCH
    assert taken[-1] == str(3 * QUEUE - 1)
    assert words.masked() == "Queue full, dropping Span."
