"""Every answer of ingestion counts once, by its status and by the source, where that is known."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from aiohttp.test_utils import TestClient

from router.errors import StoreFull
from router.ingest.routes import make_app
from router.ingest.write_key import Sources
from router.metrics import REQUESTS, Metrics
from tests.unit.ingest.rig import KEY, TRACK, Client, FakeClock, IngestTestServer, RecordingAcceptor


@pytest.fixture
def metrics() -> Metrics:
    return Metrics()


@pytest.fixture
async def client(
    acceptor: RecordingAcceptor, sources: Sources, clock: FakeClock, metrics: Metrics
) -> AsyncIterator[Client]:
    client: Client
    async with TestClient(IngestTestServer(make_app(acceptor, sources, clock, metrics=metrics))) as client:
        yield client


def counted(metrics: Metrics) -> dict[tuple[str, str], float]:
    """How many requests, by source and status."""
    samples = [s for family in metrics.collect([]) for s in family.samples if s.name == REQUESTS]
    return {(s.labels["source"], s.labels["code"]): s.value for s in samples}


async def test_an_accepted_request_counts_for_its_source(client: Client, metrics: Metrics) -> None:
    await client.post("/v1/track", json=TRACK)
    await client.post("/v1/batch", json={"batch": [TRACK, TRACK], "writeKey": KEY})
    assert counted(metrics) == {("website", "200"): 2}


async def test_a_request_without_a_known_key_counts_for_no_source(client: Client, metrics: Metrics) -> None:
    await client.post("/v1/track", json={**TRACK, "writeKey": "made-up"})
    assert counted(metrics) == {("", "401"): 1}


async def test_a_refusal_by_the_store_counts_for_the_source_that_met_it(
    client: Client, acceptor: RecordingAcceptor, metrics: Metrics
) -> None:
    acceptor.error = StoreFull()
    await client.post("/v1/track", json=TRACK)
    assert counted(metrics) == {("website", "503"): 1}


async def test_paths_that_do_not_exist_and_preflights_count_too(client: Client, metrics: Metrics) -> None:
    await client.get("/made/up")
    await client.options("/v1/track", headers={"Origin": "https://shop.example"})
    assert counted(metrics) == {("", "404"): 1, ("", "204"): 1}


@pytest.mark.parametrize(("error", "key", "expected"), [(StoreFull(), KEY, "503"), (None, "made-up", "401")])
async def test_a_pixel_counts_by_what_its_picture_cannot_say(
    client: Client, acceptor: RecordingAcceptor, metrics: Metrics, error: Exception | None, key: str, expected: str
) -> None:
    acceptor.error = error
    answer = await client.get(f"/v1/pixel/track?writeKey={key}&userId=u1&event=E")
    assert answer.status == 200
    assert counted(metrics) == {("website" if key == KEY else "", expected): 1}
