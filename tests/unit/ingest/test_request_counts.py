"""Every answer of ingestion counts once, by its status and by the source, where that is known."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from aiohttp.test_utils import TestClient

from router.errors import StoreFull
from router.ingest.auth import Sources
from router.ingest.server import make_app
from router.metrics import Metrics
from tests.unit.ingest.rig import KEY, TRACK, Client, FakeClock, IngestServer, RecordingAcceptor


@pytest.fixture
def metrics() -> Metrics:
    return Metrics()


@pytest.fixture
async def client(
    acceptor: RecordingAcceptor, sources: Sources, clock: FakeClock, metrics: Metrics
) -> AsyncIterator[Client]:
    client: Client
    async with TestClient(IngestServer(make_app(acceptor, sources, clock, metrics=metrics))) as client:
        yield client


async def test_an_accepted_request_counts_for_its_source(client: Client, metrics: Metrics) -> None:
    await client.post("/v1/track", json=TRACK)
    await client.post("/v1/batch", json={"batch": [TRACK, TRACK], "writeKey": KEY})
    assert metrics.requests == {("website", 200): 2}


async def test_a_request_without_a_known_key_counts_for_no_source(client: Client, metrics: Metrics) -> None:
    await client.post("/v1/track", json={**TRACK, "writeKey": "made-up"})
    assert metrics.requests == {("", 401): 1}


async def test_a_refusal_by_the_store_counts_for_the_source_that_met_it(
    client: Client, acceptor: RecordingAcceptor, metrics: Metrics
) -> None:
    acceptor.error = StoreFull()
    await client.post("/v1/track", json=TRACK)
    assert metrics.requests == {("website", 503): 1}


async def test_paths_that_do_not_exist_and_preflights_count_too(client: Client, metrics: Metrics) -> None:
    await client.get("/made/up")
    await client.options("/v1/track", headers={"Origin": "https://shop.example"})
    assert metrics.requests == {("", 404): 1, ("", 204): 1}
