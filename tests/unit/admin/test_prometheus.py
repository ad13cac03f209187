"""GET /metrics on a real application, store and runner, read as Prometheus reads it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp.test_utils import TestClient, TestServer
from prometheus_client.parser import text_string_to_metric_families

from router import __version__
from router.admin.app import make_admin_app
from router.admin.metric_families import FAMILIES, SEVEN
from router.deliver.runner import Runner
from router.errors import StoreAway
from router.metrics import Metrics
from router.plugin import Delivered, Pause, RetryLater
from router.store.disk_space import Room
from router.testing.clock import START_MS
from tests.contract.rig import Gated, Rig, destination, open_rig
from tests.unit.admin.test_admin_api import FakeDaemon

Labels = tuple[tuple[str, str], ...]


class Scraped:
    """A page by sample name and labels."""

    def __init__(self, text: str) -> None:
        self.types = {family.name: family.type for family in text_string_to_metric_families(text)}
        self.samples: dict[tuple[str, Labels], float] = {
            (sample.name, tuple(sorted(sample.labels.items()))): sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
        }

    def value(self, name: str, **labels: str) -> float | None:
        """A sample's value; None where it is not there."""
        return self.samples.get((f"segment_router_{name}", tuple(sorted(labels.items()))))

    def labels(self, name: str) -> list[dict[str, str]]:
        """The label sets of a metric's samples."""
        return [dict(labels) for found, labels in self.samples if found == f"segment_router_{name}"]


class Bench:
    """A rig whose runner counts, and a client that scrapes."""

    def __init__(self, rig: Rig, daemon: FakeDaemon, client: TestClient[Any, Any]) -> None:
        self.rig, self.daemon, self.client = rig, daemon, client

    async def scrape(self) -> Scraped:
        async with self.client.get("/metrics") as response:
            assert response.status == 200
            assert response.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
            return Scraped(await response.text())


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    async with open_rig(tmp_path) as rig:
        await rig.store.cursor("d", START_MS)
        metrics, made = Metrics(), destination(Gated, rig.vendor)
        rig.runner = Runner(made, rig.store, rig.clock, rig.log, rig.random, metrics.meter("d"))
        rig._task = asyncio.create_task(rig.runner.run())
        await rig.runner.worker()
        daemon = FakeDaemon(rig)
        daemon.metrics = metrics
        client: TestClient[Any, Any] = TestClient(TestServer(make_admin_app(daemon, None, "127.0.0.1", rig.log)))
        await client.start_server()
        try:
            yield Bench(rig, daemon, client)
        finally:
            await client.close()


async def test_every_family_is_on_the_page_with_its_type_from_the_start(bench: Bench) -> None:
    types = (await bench.scrape()).types
    ours = {name: kind for name, kind in types.items() if name.startswith("segment_router_")}
    assert ours == {name.removesuffix("_total"): family.type for name, family in FAMILIES.items()}


async def test_what_the_ledger_counts_is_on_the_page(bench: Bench) -> None:
    await bench.rig.call("track", "t1", userId="u1", event="E")
    await bench.rig.call("identify", "i1", userId="u1")
    await bench.rig.call("identify", "i1", userId="u1")
    await bench.rig.quiet()
    page = await bench.scrape()
    assert page.value("events_accepted_total") == 2
    assert page.value("events_duplicate_total") == 1
    assert page.value("events_discarded_total") == 0
    assert {state: page.value("destination_events", destination="d", state=state) for state in SEVEN} == {
        **dict.fromkeys(SEVEN, 0.0),
        "held": 1.0,
        "delivered": 1.0,
    }
    assert page.value("destination_dry_run_events_total", destination="d") == 0
    assert page.value("destination_replayed_events_total", destination="d") == 0
    assert page.value("destination_cursor_lag_events", destination="d") == 0
    assert page.value("destination_oldest_queued_seconds", destination="d") == 0


async def test_a_destination_that_stands_still_shows_lag_and_age(bench: Bench) -> None:
    await bench.rig.runner.pause()
    await bench.rig.call("identify", "i1", userId="u1")
    await bench.rig.call("identify", "i2", userId="u1")
    await bench.rig.quiet()
    bench.rig.clock.advance(90)  # and nothing is written meanwhile
    page = await bench.scrape()
    assert page.value("destination_cursor_lag_events", destination="d") == 2
    assert page.value("destination_oldest_queued_seconds", destination="d") == 90
    assert page.value("destination_state", destination="d", state="paused", reason="by_hand") == 1


async def test_a_destination_has_one_state_and_every_change_of_it_counts(bench: Bench) -> None:
    bench.rig.vendor.answer = lambda bodies: Pause("credentials", "who are you?")
    await bench.rig.call("identify", "i1", userId="u1")
    await bench.rig.quiet()
    page = await bench.scrape()
    assert page.labels("destination_state") == [{"destination": "d", "state": "paused", "reason": "credentials"}]
    bench.rig.vendor.answer = lambda bodies: Delivered()
    await bench.rig.pass_time(300)
    page = await bench.scrape()
    assert page.labels("destination_state") == [{"destination": "d", "state": "running", "reason": ""}]
    changes = "destination_state_changes_total"
    assert page.value(changes, destination="d", state="paused", reason="credentials") == 1
    assert page.value(changes, destination="d", state="running", reason="") == 1


async def test_a_breaker_that_opens_and_closes_counts(bench: Bench) -> None:
    bench.rig.vendor.answer = lambda bodies: RetryLater("the moon is full", "try at dawn")
    for n in range(12):
        await bench.rig.call("identify", f"i{n}", userId=f"u{n}")
    await bench.rig.quiet()
    bench.rig.vendor.answer = lambda bodies: Delivered()
    await bench.rig.pass_time(60)
    page = await bench.scrape()
    assert page.labels("destination_state_changes_total") == [
        {"destination": "d", "state": "breaker_open", "reason": "other"},
        {"destination": "d", "state": "running", "reason": ""},
    ]


async def test_attempts_count_by_status_and_outcome_and_their_time_is_in_the_histogram(bench: Bench) -> None:
    bench.rig.vendor.answer = lambda bodies: RetryLater("busy")
    await bench.rig.call("identify", "i1", userId="u1")
    await bench.rig.quiet()
    bench.rig.vendor.answer = lambda bodies: Delivered()
    await bench.rig.pass_time(5)
    page = await bench.scrape()
    for outcome in ("retry", "delivered"):
        assert page.value("delivery_attempts_total", destination="d", status="none", outcome=outcome) == 1
    assert page.value("delivery_attempt_duration_seconds_count", destination="d") == 2
    assert page.value("delivery_attempt_duration_seconds_bucket", destination="d", le="+Inf") == 2


async def test_commits_count_with_their_events_bytes_and_time(bench: Bench) -> None:
    before = await bench.scrape()
    call = bench.rig.make("identify", "i1", userId="u1")
    await bench.rig.accept([call])
    page = await bench.scrape()

    def grown(name: str) -> float:
        return (page.value(f"store_{name}_total") or 0) - (before.value(f"store_{name}_total") or 0)

    assert grown("commit_events") == 1
    assert grown("commit_bytes") == len(call.body)
    assert grown("commits") >= 1
    assert page.value("store_commit_seconds_total") == 0  # by the rig's clock, which stands still


async def test_while_the_store_is_away_what_is_in_memory_is_on_the_page_with_that_trouble(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(names: object) -> object:
        raise StoreAway

    before = await bench.scrape()
    monkeypatch.setattr(bench.rig.store.queries, "ledger", away)
    page = await bench.scrape()
    assert page.labels("trouble") == [{"source": "", "destination": "", "reason": "store_away"}]
    assert page.value("destination_state", destination="d", state="running", reason="") == 1
    assert page.value("loop_lag_seconds", destination="") == before.value("loop_lag_seconds", destination="")
    assert {"segment_router_info", "segment_router_start_timestamp_seconds"} <= {name for name, _ in page.samples}
    only_stored = {"segment_router_events_accepted_total", "segment_router_store_used_bytes"}
    names = {name for name, _ in before.samples}
    assert only_stored <= names
    assert not only_stored & {name for name, _ in page.samples}


async def test_a_full_disk_shows(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    page = await bench.scrape()
    assert page.value("store_full") == 0
    assert (page.value("store_free_bytes") or 0) > 0
    monkeypatch.setattr(bench.rig.store.disk, "room", lambda: Room.DELIVERIES)
    assert (await bench.scrape()).value("store_full") == 1


async def test_a_destination_that_is_configured_no_more_is_not_on_the_page(bench: Bench) -> None:
    bench.daemon.runners.clear()
    page = await bench.scrape()
    assert not [labels for _, labels in page.samples if ("destination", "d") in labels]


async def test_answers_of_ingestion_are_on_the_page_by_source_and_code(bench: Bench) -> None:
    for source, status in (("website", 200), ("", 401), ("website", 200)):
        bench.daemon.metrics.request(source, status)
    page = await bench.scrape()
    assert page.value("ingest_requests_total", source="website", code="200") == 2
    assert page.value("ingest_requests_total", source="", code="401") == 1


async def test_the_process_itself_is_on_the_page(bench: Bench) -> None:
    page = await bench.scrape()
    assert page.value("info", version=__version__) == 1
    for name in ("resident_memory_bytes", "cpu_seconds_total", "open_fds"):
        assert page.samples[f"process_{name}", ()] > 0


async def test_a_scrape_needs_the_token_where_there_is_one(bench: Bench) -> None:
    app = make_admin_app(bench.daemon, "t0ken", "127.0.0.1", bench.rig.log)
    async with TestClient(TestServer(app)) as client:
        async with client.get("/metrics") as refused:
            assert refused.status == 401
        async with client.get("/metrics", headers={"Authorization": "Bearer t0ken"}) as taken:
            assert taken.status == 200
