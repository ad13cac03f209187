"""The metrics of a whole daemon while events arrive and its vendor breaks and recovers."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import aiohttp
import pytest
from prometheus_client.parser import text_string_to_metric_families

from router.testing.vendor import FakeVendor, Reply
from tests.flow.harness import Daemon, destination, eventually
from tests.monitoring.rules import rules, series_of
from tests.monitoring.test_dashboard import expressions
from tests.monitoring.test_rules import UP

Labels = tuple[tuple[str, str], ...]


async def scrape(daemon: Daemon) -> dict[tuple[str, Labels], float]:
    """Every sample of `/metrics`, by name and labels."""
    async with aiohttp.ClientSession() as session, session.get(f"{daemon.admin_url}/metrics") as answer:
        assert answer.status == 200
        families = text_string_to_metric_families(await answer.text())
        return {(s.name, tuple(sorted(s.labels.items()))): s.value for family in families for s in family.samples}


def sample(name: str, **labels: str) -> tuple[str, Labels]:
    return f"segment_router_{name}", tuple(sorted(labels.items()))


def shows(daemon: Daemon, name: str, **labels: str) -> Callable[[], Awaitable[bool]]:
    """Whether this sample is there and not 0."""

    async def look() -> bool:
        return bool((await scrape(daemon)).get(sample(name, **labels)))

    return look


@pytest.fixture
async def vendor() -> AsyncIterator[FakeVendor]:
    async with FakeVendor(Reply(200, json={})) as vendor:
        yield vendor


async def test_the_metrics_tell_of_events_of_a_vendor_that_refuses_and_of_its_recovery(
    tmp_path: Path, vendor: FakeVendor
) -> None:
    """Counts of answers, events and attempts; the state, and each change of it."""
    async with Daemon(tmp_path, [destination("hook", "collector", {"base_url": vendor.url})]) as daemon:
        await daemon.post("track", userId="u1", event="E", messageId="m1")
        await daemon.post("track", userId="u1", event="E", messageId="m1")
        await daemon.settled()
        page = await scrape(daemon)
        assert page[sample("events_accepted_total")] == 1
        assert page[sample("events_duplicate_total")] == 1
        assert page[sample("destination_events", destination="hook", state="delivered")] == 1
        assert page[sample("delivery_attempts_total", destination="hook", status="2xx", outcome="delivered")] == 1
        assert page[sample("delivery_attempt_duration_seconds_count", destination="hook")] == 1
        assert page[sample("ingest_requests_total", source="website", code="200")] == 2
        assert page[sample("store_commit_events_total")] == 1
        assert page[sample("store_commit_seconds_total")] > 0
        assert page[sample("destination_state", destination="hook", state="running", reason="")] == 1

        vendor.default = Reply(401)
        await daemon.post("track", userId="u1", event="E", messageId="m2")
        paused = {"destination": "hook", "state": "paused", "reason": "credentials"}
        await eventually(shows(daemon, "destination_state", **paused), what="the destination is paused")
        page = await scrape(daemon)
        assert page[sample("destination_state_changes_total", **paused)] == 1
        assert page[sample("delivery_attempts_total", destination="hook", status="4xx", outcome="pause")] == 1
        assert page[sample("destination_events", destination="hook", state="queued")] == 1
        assert page[sample("destination_cursor_lag_events", destination="hook")] == 1

        vendor.default = Reply(200, json={})
        assert (await daemon.admin("POST", "/api/destinations/hook/resume"))[0] == 200
        await daemon.settled()
        page = await scrape(daemon)
        running = {"destination": "hook", "state": "running", "reason": ""}
        assert page[sample("destination_state", **running)] == 1
        assert page[sample("destination_state_changes_total", **running)] == 1
        assert sample("destination_state", **paused) not in page


async def test_counts_outlive_a_reload_and_the_totals_a_restart(tmp_path: Path, vendor: FakeVendor) -> None:
    """Those of the store for good, those of the process as long as it lives."""
    async with Daemon(tmp_path, [destination("hook", "collector", {"base_url": vendor.url})]) as daemon:
        await daemon.post("track", userId="u1", event="E", messageId="m1")
        await daemon.settled()
        daemon.destinations[0]["delivery"] = {"concurrency": 2}
        await daemon.reload()
        attempts = sample("delivery_attempts_total", destination="hook", status="2xx", outcome="delivered")
        assert (await scrape(daemon))[attempts] == 1
        await daemon.terminate()
        await daemon.restart()
        page = await scrape(daemon)
        assert attempts not in page
        assert page[sample("events_accepted_total")] == 1
        assert page[sample("destination_events", destination="hook", state="delivered")] == 1


async def test_every_series_of_the_alerts_and_of_the_dashboard_is_there(tmp_path: Path, vendor: FakeVendor) -> None:
    """Of a daemon that has just started: a rule must not wait for the first trouble to find its series."""
    async with Daemon(tmp_path, [destination("hook", "collector", {"base_url": vendor.url})]) as daemon:
        async with aiohttp.ClientSession() as session, session.get(f"{daemon.admin_url}/metrics") as answer:
            text = await answer.text()
        there = set(re.findall(r"^# TYPE (\w+) ", text, re.MULTILINE))
        there |= {f"{name}_{part}" for name in re.findall(r"^# TYPE (\w+) histogram", text, re.MULTILINE)
                  for part in ("bucket", "sum", "count")}  # fmt: skip
        asked = {name for expression in expressions() for name in series_of(expression)}
        asked |= {name for rule in rules().values() for name in rule.series}
        assert asked - there == {UP}
        assert len(asked) > 40


async def test_the_number_of_series_does_not_grow_with_what_is_sent(tmp_path: Path, vendor: FakeVendor) -> None:
    """Names, users, ids, words of vendors and of senders: none of them is a label."""
    hook = destination("hook", "collector", {"base_url": vendor.url})
    async with Daemon(tmp_path, [hook]) as daemon:

        async def grown(first: int, last: int) -> int:
            """How many series there are after these were sent."""
            vendor.answer = lambda seen: Reply(422, json={"error": f"word {len(vendor.requests)}"})
            for n in range(first, last):
                await daemon.post(
                    "track", userId=f"u{n}", event=f"Event {n}", messageId=f"m{n}", properties={f"p{n}": n}
                )
                await daemon.post("track", userId=f"u{n}", messageId=f"d{n}")
            await daemon.settled()
            page = await scrape(daemon)
            return len([name for name, _ in page if name.startswith("segment_router_")])

        few = await grown(0, 5)
        assert await grown(5, 60) <= few + 3, "only an outcome that did not occur before: a batch that was split"
        labels = {label for _, labels in await scrape(daemon) for label in labels}
        assert len({value for name, value in labels if name == "destination"} - {""}) == 1
        per_destination = [labels for _, labels in await scrape(daemon) if ("destination", "hook") in labels]
        assert 40 < len(per_destination) <= 60, "docs/metrics.md says so"


async def test_sync_time_group_size_latency_and_the_loop_are_measured(tmp_path: Path, vendor: FakeVendor) -> None:
    async with Daemon(tmp_path, [destination("hook", "collector", {"base_url": vendor.url})]) as daemon:
        await daemon.batch([{"type": "track", "userId": f"u{n}", "event": "E"} for n in range(7)])
        await daemon.settled()
        page = await scrape(daemon)
        assert page[sample("store_group_commit_events_sum")] == 7
        assert page[sample("store_group_commit_events_bucket", le="5")] == 0
        assert page[sample("store_group_commit_events_bucket", le="10")] == 1
        assert page[sample("store_sync_duration_seconds_count")] == page[sample("store_commits_total")]
        assert 0 < page[sample("store_sync_duration_seconds_sum")] <= page[sample("store_commit_seconds_total")]
        assert page[sample("delivery_latency_seconds_count", destination="hook")] == 7
        assert page[sample("delivery_latency_seconds_sum", destination="hook")] > 0
        assert page[sample("store_wal_bytes")] > 0
        assert page[sample("store_pending_events")] == page[sample("store_pending_bytes")] == 0
        assert page[sample("loop_lag_seconds", destination="")] > 0
        assert page[sample("source_events_total", source="website", outcome="accepted")] == 7
        assert (
            page[sample("source_last_event_timestamp_seconds", source="website")]
            > page[sample("start_timestamp_seconds")]
        )
        assert page[sample("ingest_requests_total", source="website", code="503")] == 0, "an increase needs a beginning"
        assert page[sample("destination_requests_in_flight", destination="hook")] == 0
