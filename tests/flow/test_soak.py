"""The short form of the soak, by numbers of events; and its own tests: a leak is seen, and so is a lost event. The long form is
`python -m tests.flow.soak`."""

from __future__ import annotations

import csv
from collections import Counter
from pathlib import Path
from random import Random
from typing import Any

import aiohttp
import msgspec
import pytest

from router.testing.vendor import FakeVendor, Received, Reply
from tests.flow.soak.driver import Driver
from tests.flow.soak.samples import Sample, write_csv
from tests.flow.soak.story import Plan, run, steps
from tests.flow.soak.traffic import call, last_calls, message_id
from tests.flow.soak.vendor import CountingVendor, Outages
from tests.flow.soak.verdict import BOUNDS, judge, log_per_event, picture

SHORT = Plan(seed=1, events=1_500, rate=500.0, every=100, restarts=2, reloads=3, outages=2)


async def test_no_event_is_lost_through_faults_restarts_and_reloads_and_each_look_is_a_row(tmp_path: Path) -> None:
    """The short form. A process as young as this has no slope to judge."""
    result = await run(tmp_path, SHORT)
    assert result.violations == []
    assert result.lost == {"open": 0, "gated": 0}
    assert result.delivered == {"open": result.sent, "gated": result.sent}
    assert (result.kills, result.stops, result.reloads, result.outages) == (1, 1, 3, 2)
    assert len(result.samples) == 15
    for sample in result.samples:
        assert min(sample.rss_mb, sample.descriptors, sample.threads, sample.database_mb, sample.log_mb) > 0, sample
    write_csv(tmp_path / "soak.csv", result.samples)
    with (tmp_path / "soak.csv").open(encoding="utf-8") as file:
        assert [int(row["sent"]) for row in csv.DictReader(file)] == [sample.sent for sample in result.samples]
    assert picture("short", result.samples, ["lost: 0"]).startswith(b"\x89PNG")


async def test_an_answer_that_nobody_expects_ends_the_story_with_its_words() -> None:
    async with FakeVendor() as daemon, aiohttp.ClientSession() as http:
        daemon.script(Reply(200), Reply(400, {"error": "no batch"}))
        with pytest.raises(ExceptionGroup) as caught:
            await Driver(daemon.url, http, 1_000.0).send(100)
        assert "400" in str(caught.value.exceptions[0])
        assert "no batch" in str(caught.value.exceptions[0])


def test_restarts_end_long_before_half_time_and_everything_else_goes_on() -> None:
    """So that the caches of the process that is judged are full when the second half begins."""
    plan = Plan(seed=1, events=100_000, rate=100.0, every=1_000)
    by_action: dict[str, list[int]] = {}
    for at, action in steps(plan):
        by_action.setdefault(action, []).append(at)
    assert [len(by_action[action]) for action in ("kill", "stop", "reload", "down", "up", "look")] == [
        5,
        5,
        20,
        10,
        10,
        100,
    ]
    assert max(*by_action["kill"], *by_action["stop"]) <= 25_000
    assert max(by_action["reload"]) > 95_000
    assert [up - down for down, up in zip(by_action["down"], by_action["up"], strict=True)] == [1_000] * 10


def test_each_user_has_a_group_call_after_some_of_its_tracks() -> None:
    """So the gate is shut for each of them for a while, and opens."""
    calls = [call(number) for number in range(20_000)]
    calls += last_calls(20_000)
    assert len({one["messageId"] for one in calls}) == len(calls)
    users = {one["userId"] for one in calls}
    grouped = [one["userId"] for one in calls if one["type"] == "group"]
    assert set(grouped) == users
    first: dict[str, str] = {}
    for one in calls:
        first.setdefault(one["userId"], one["type"])
    assert Counter(first.values())["track"] > 0.9 * len(users)


async def test_the_vendor_counts_a_second_arrival_as_a_duplicate_and_names_what_never_came() -> None:
    """By number, whatever the order."""
    vendor = CountingVendor("open", FakeVendor(), Random(1), faults=0.0)
    for number in (0, 3, 3, 1):
        vendor._answer(_request(number))
    assert (vendor.delivered, vendor.duplicates, vendor.missing(5)) == (3, 1, [2, 4])


async def test_a_vendor_that_is_down_takes_nothing() -> None:
    """Its 503 is no arrival."""
    vendor = CountingVendor("open", FakeVendor(), Random(1), faults=0.0)
    vendor.is_down = True
    assert vendor._answer(_request(0)) == Reply(503)
    assert vendor.missing(1) == [0]


async def test_vendors_are_down_in_turn_and_no_longer_than_their_outage() -> None:
    """One at a time."""
    vendors = [CountingVendor(name, FakeVendor(), Random(1), faults=0.0) for name in ("open", "gated")]
    outages, down = Outages(vendors), []
    for _ in range(4):
        outages.begin()
        down.append([vendor.name for vendor in vendors if vendor.is_down])
        outages.end()
        assert not any(vendor.is_down for vendor in vendors)
    assert down == [["open"], ["gated"], ["open"], ["gated"]]


@pytest.mark.parametrize("bound", BOUNDS, ids=lambda bound: bound.column)
def test_a_measure_that_rises_by_twice_its_bound_is_not_flat(bound: tuple[str, str, float, str]) -> None:
    """And the others are, whatever happened in the first half."""
    column, _, per_hour, _ = bound
    samples = [
        _sample(at, **{column: 100.0 + 2 * per_hour * at / 3600.0 if at >= 1800 else 500.0})
        for at in range(0, 3600, 30)
    ]
    assert [one.bound.column for one in judge(samples) if not one.is_flat] == [column]


def test_a_noise_that_hides_the_slope_is_not_called_a_rise_and_a_rise_in_noise_is_one() -> None:
    """Connections come and go: the descriptors of one hour go up and down by 40."""
    for per_hour, is_flat in ((5.0, True), (60.0, False)):
        noise = Random(1)
        samples = [
            _sample(at, descriptors=100 + per_hour * at / 3600 + noise.uniform(-20, 20)) for at in range(0, 3600, 10)
        ]
        (one,) = (finding for finding in judge(samples) if finding.bound.column == "descriptors")
        assert one.is_flat == is_flat, one


def test_too_few_samples_are_not_called_flat() -> None:
    """Nine in the second half."""
    assert not any(one.is_flat for one in judge([_sample(at) for at in range(17)]))
    assert all(one.is_flat for one in judge([_sample(at) for at in range(20)]))
    assert not any(one.is_flat for one in judge([]))


def test_the_log_is_told_in_bytes_for_each_event() -> None:
    """Of the second half."""
    samples = [_sample(at, sent=1_000 * at, log_mb=0.05 * at) for at in range(20)]
    assert log_per_event(samples) == pytest.approx(50.0)
    assert log_per_event([]) == 0.0


def _request(number: int) -> Received:
    return Received("POST", "/collect", {}, msgspec.json.encode([{"id": message_id(number)}]))


def _sample(at: float, **values: Any) -> Sample:
    calm = Sample(
        at=float(at), sent=0, restarts=0, rss_mb=90.0, descriptors=40, threads=8, database_mb=50.0, wal_mb=4.0, log_mb=1.0,
        ingest_p50_s=0.002, ingest_p99_s=0.01, oldest_undelivered_s=1.0, held=10, retrying=5,
    )  # fmt: skip
    return calm._replace(**values)
