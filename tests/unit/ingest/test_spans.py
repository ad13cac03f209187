"""A request with events is a span on either path; its events say so, and nothing of a person is in it."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiohttp.test_utils import TestClient

from router.errors import StoreBusy, StoreFull
from router.event import trace_of
from router.ingest.routes import make_app
from router.ingest.write_key import Sources
from tests.unit.ingest.rig import KEY, TRACK, Client, FakeClock, FakeSource, IngestTestServer, RecordingAcceptor
from tests.unit.tracing.recording import RecordingTracing

CLIENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
FULL_PATH = {"Origin": "https://shop.example"}
EVENTS = {"segment_router.source": "website", "segment_router.events": 1, "segment_router.discards": 0}
BOTH_PATHS = pytest.mark.parametrize("headers", [{}, FULL_PATH], ids=["hot path", "full path"])


@asynccontextmanager
async def serving(acceptor: RecordingAcceptor, tracing: RecordingTracing | None) -> AsyncIterator[Client]:
    app = make_app(acceptor, Sources([FakeSource()]), FakeClock(), tracing=tracing)
    client: Client
    async with TestClient(IngestTestServer(app)) as client:
        yield client


@BOTH_PATHS
async def test_the_events_of_a_request_carry_its_span(headers: dict[str, str]) -> None:
    acceptor, tracing = RecordingAcceptor(), RecordingTracing()
    async with serving(acceptor, tracing) as client:
        await client.post("/v1/track", json=TRACK, headers={**headers, "traceparent": CLIENT})
        await client.post("/v1/track", json=TRACK, headers=headers)
    traces = [trace_of(call.body) for call in acceptor.calls]
    assert traces[0].split("-")[1] == CLIENT.split("-")[1]
    assert len({CLIENT, *traces}) == 3
    assert tracing.told() == [("ingest", {**EVENTS, "segment_router.duplicates": 0}, "")] * 2


@BOTH_PATHS
@pytest.mark.parametrize("error", [StoreFull("full"), StoreBusy()], ids=["full", "busy"])
async def test_a_request_that_could_not_be_stored_is_a_span_with_that_fault(
    headers: dict[str, str], error: Exception
) -> None:
    tracing = RecordingTracing()
    async with serving(RecordingAcceptor(error=error), tracing) as client:
        answer = await client.post("/v1/track", json=TRACK, headers=headers)
        assert answer.status == 503
    assert tracing.told() == [("ingest", EVENTS, type(error).__name__)]


async def test_what_is_refused_at_once_by_the_store_ends_its_span_too() -> None:
    class Refusing(RecordingAcceptor):
        def accept_soon(self, *given: object) -> None:
            raise StoreBusy

    tracing = RecordingTracing()
    async with serving(Refusing(), tracing) as client:
        assert (await client.post("/v1/track", json=TRACK)).status == 503
    assert tracing.told() == [("ingest", EVENTS, "StoreBusy")]


async def test_a_batch_is_one_span_and_calls_that_cannot_be_used_are_counted_in_it() -> None:
    acceptor, tracing = RecordingAcceptor(duplicates=1), RecordingTracing()
    item = {**TRACK, "type": "track"}
    batch = {"batch": [item, {**item, "messageId": "m2"}, {"type": "nonsense"}], "writeKey": KEY}
    async with serving(acceptor, tracing) as client:
        assert (await client.post("/v1/batch", json=batch)).status == 200
    assert len({trace_of(call.body) for call in acceptor.calls}) == 1
    numbers = {"events": 2, "discards": 1, "duplicates": 1}
    told = {"segment_router.source": "website", **{f"segment_router.{name}": n for name, n in numbers.items()}}
    assert tracing.told() == [("ingest", told, "")]


@BOTH_PATHS
async def test_nothing_of_the_event_or_its_person_is_in_a_span(headers: dict[str, str]) -> None:
    tracing = RecordingTracing()
    call = {**TRACK, "userId": "eva@example.com", "event": "Secret Event", "messageId": "message-1"}
    async with serving(RecordingAcceptor(), tracing) as client:
        await client.post("/v1/track", json=call, headers=headers)
    written = json.dumps([json.loads(span.to_json()) for span in tracing.spans])
    for private in ("eva", "Secret", "message-1", KEY, "127.0.0.1"):
        assert private not in written


@BOTH_PATHS
async def test_without_tracing_an_event_is_stored_as_ever_whatever_header_its_request_has(
    headers: dict[str, str],
) -> None:
    plain, traced = RecordingAcceptor(), RecordingAcceptor()
    async with serving(plain, None) as client:
        await client.post("/v1/track", json=TRACK, headers={**headers, "traceparent": CLIENT})
    async with serving(traced, RecordingTracing(share=0.0)) as client:
        await client.post("/v1/track", json=TRACK, headers={**headers, "traceparent": CLIENT})
    assert plain.calls[0].body == traced.calls[0].body
    assert b"00-0af7651916" not in plain.calls[0].body
