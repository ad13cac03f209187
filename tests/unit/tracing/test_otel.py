"""Which requests are traced, whose trace a span is of, and to what it refers."""

from __future__ import annotations

import pytest
from opentelemetry.trace import format_span_id, format_trace_id

from router.tracing import Span
from router.tracing.otel import MAX_LINKS
from tests.unit.tracing.recording import RecordingTracing

CLIENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
NOT_SAMPLED = CLIENT[:-2] + "00"


def begun(tracing: RecordingTracing, traceparent: str = "") -> Span:
    span = tracing.request(traceparent)
    assert span is not None
    return span


def test_a_request_without_a_header_begins_a_trace_and_one_with_a_header_goes_on_with_it() -> None:
    tracing = RecordingTracing()
    first, second = begun(tracing), begun(tracing, CLIENT)
    first.end(events=2)
    second.end()
    assert first.traceparent.split("-")[1] != CLIENT.split("-")[1]
    assert second.traceparent.split("-")[1] == CLIENT.split("-")[1]
    assert tracing.spans[1].parent is not None
    assert format_span_id(tracing.spans[1].parent.span_id) == CLIENT.split("-")[2]
    assert tracing.told() == [("ingest", {"segment_router.events": 2}, ""), ("ingest", {}, "")]


@pytest.mark.parametrize("header", ["x", "00-" + "0" * 32 + "-" + "0" * 16 + "-01", "00-ö", CLIENT.upper()[:54]])
def test_a_header_that_is_no_traceparent_begins_a_trace(header: str) -> None:
    tracing = RecordingTracing()
    begun(tracing, header).end()
    assert tracing.spans[0].parent is None


def test_a_client_may_ask_for_less_and_never_for_more() -> None:
    assert RecordingTracing(share=1.0).request(NOT_SAMPLED) is None
    assert RecordingTracing(share=0.0).request(CLIENT) is None


def test_about_the_share_of_the_requests_is_traced() -> None:
    tracing = RecordingTracing(share=0.25)
    traced = [span for _ in range(2_000) if (span := tracing.request("")) is not None]
    assert 400 < len(traced) < 600


def test_a_delivery_with_events_of_one_request_is_of_its_trace() -> None:
    tracing = RecordingTracing(share=0.0)
    span = tracing.delivery("braze", ["", CLIENT, CLIENT])
    assert span is not None
    span.end(outcome="delivered", status=201)
    (made,) = tracing.spans
    assert made.parent is not None
    assert format_trace_id(made.parent.trace_id) == CLIENT.split("-")[1]
    assert not made.links
    attributes = {"segment_router.outcome": "delivered", "http.response.status_code": 201}
    assert tracing.told() == [("deliver braze", attributes, "")]


def test_a_delivery_with_events_of_several_requests_is_a_trace_of_its_own_with_a_link_to_each() -> None:
    tracing = RecordingTracing()
    requests = [begun(tracing).traceparent for _ in range(3)]
    span = tracing.delivery("braze", requests)
    assert span is not None
    span.end("timeout")
    (made,) = tracing.spans
    assert made.parent is None
    links = [f"00-{format_trace_id(to.context.trace_id)}-{format_span_id(to.context.span_id)}" for to in made.links]
    assert [one[:52] for one in requests] == links
    assert tracing.told() == [("deliver braze", {}, "timeout")]


def test_links_are_bounded() -> None:
    tracing = RecordingTracing()
    span = tracing.delivery("braze", [begun(tracing).traceparent for _ in range(MAX_LINKS + 10)])
    assert span is not None
    span.end()
    assert len(tracing.spans[0].links) == MAX_LINKS


def test_a_delivery_of_requests_that_were_left_out_is_left_out_too() -> None:
    assert RecordingTracing(share=1.0).delivery("braze", [""]) is None
    tracing = RecordingTracing(share=0.5)
    assert [span for _ in range(50) if (span := tracing.delivery("braze", ["", ""]))] == []


def test_a_delivery_that_no_request_brought_is_drawn_like_a_request() -> None:
    assert RecordingTracing(share=0.0).delivery("braze", [""], is_drawn=True) is None
    assert RecordingTracing(share=1.0).delivery("braze", [""], is_drawn=True) is not None
    tracing = RecordingTracing(share=0.25)
    traced = [span for _ in range(2_000) if (span := tracing.delivery("braze", [""], is_drawn=True))]
    assert 400 < len(traced) < 600


def test_where_the_sdk_is_switched_off_there_are_no_spans(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_SDK_DISABLED", "true")
    tracing = RecordingTracing()
    assert tracing.request("") is None
    assert tracing.delivery("braze", [CLIENT]) is None
