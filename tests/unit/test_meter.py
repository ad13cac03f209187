"""What the process counts of itself, and that a label is never an event's or a vendor's own word."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from prometheus_client.core import CounterMetricFamily

from router.metrics import (
    ATTEMPT_BOUNDS_S,
    ATTEMPTS,
    CHANGES,
    FILTERED,
    REQUESTS,
    SECONDS,
    Metrics,
    bounded,
    status_class,
)
from router.plugin import Delivered, Outcome, Pause, Reject, RetryLater, Split


def counts(metrics: Metrics, name: str, destination: str = "crm") -> dict[tuple[str, ...], float]:
    """The samples of a metric, by their labels but the destination."""
    samples = [s for family in metrics.collect([destination]) for s in family.samples if s.name == name]
    return {tuple(value for label, value in s.labels.items() if label != "destination"): s.value for s in samples}


def test_the_time_of_attempts_counts_up_to_each_bound_and_adds_up() -> None:
    metrics = Metrics()
    for duration_ms in (5, 10, 500, 70_000):
        metrics.meter("crm").attempt(200, [Delivered()], duration_ms)
    buckets = counts(metrics, f"{SECONDS}_bucket")
    assert list(buckets) == [(str(bound),) for bound in (*ATTEMPT_BOUNDS_S, "+Inf")]
    assert [buckets[bound,] for bound in ("0.01", "0.25", "0.5", "60.0", "+Inf")] == [2, 2, 3, 3, 4]
    assert counts(metrics, f"{SECONDS}_sum") == {(): pytest.approx(70.515)}
    assert counts(metrics, f"{SECONDS}_count") == {(): 4}


def test_a_thread_that_counts_in_the_midst_of_a_scrape_ends_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """A destination in a thread of its own filters and sends while the page is made: here at each sample."""
    metrics = Metrics()
    meter, add = metrics.meter("crm"), CounterMetricFamily.add_metric
    meter.filtered["consent"] += 1
    meter.attempt(200, [Delivered()], 5)

    def meanwhile(family: CounterMetricFamily, *sample: Any) -> None:
        meter.filtered[f"reason-{len(meter.filtered)}"] += 1
        meter.attempt(300 + len(meter.filtered), [Delivered()], 5)
        add(family, *sample)

    monkeypatch.setattr(CounterMetricFamily, "add_metric", meanwhile)
    assert ("consent",) in counts(metrics, FILTERED)


def test_a_destination_without_attempts_has_their_time_at_0() -> None:
    metrics = Metrics()
    metrics.meter("crm")
    assert counts(metrics, f"{SECONDS}_count") == {(): 0}


@pytest.mark.parametrize(
    ("outcomes", "word"),
    [
        ([Delivered()], "delivered"),
        ([Delivered(), Delivered()], "delivered"),
        ([Reject("a"), Reject("b")], "rejected"),
        ([RetryLater("a")], "retry"),
        ([Pause("a")], "pause"),
        ([Split("a")], "split"),
        ([Delivered(), Reject("a")], "mixed"),
    ],
)
def test_a_request_counts_once_by_what_all_of_its_items_came_to(outcomes: Sequence[Outcome], word: str) -> None:
    metrics = Metrics()
    metrics.meter("crm").attempt(200, outcomes, 250)
    assert counts(metrics, ATTEMPTS) == {("2xx", word): 1}


def test_an_outcome_of_a_plugins_own_class_counts_as_what_it_is() -> None:
    class Busy(RetryLater):
        pass

    metrics = Metrics()
    metrics.meter("crm").attempt(None, [Busy("busy")], 0)
    assert counts(metrics, ATTEMPTS) == {("none", "retry"): 1}


@pytest.mark.parametrize(
    ("status", "word"), [(None, "none"), (204, "2xx"), (302, "3xx"), (429, "4xx"), (599, "5xx"), (999, "other"), (0, "other")]
)  # fmt: skip
def test_a_status_counts_by_its_class(status: int | None, word: str) -> None:
    assert status_class(status) == word


@pytest.mark.parametrize(
    ("reason", "label"),
    [
        ("", ""),
        ("by_hand", "by_hand"),
        ("status_503", "status_503"),
        ("status_5033", "other"),
        ("no account u1", "other"),
        ("timeout\n", "other"),
    ],
)
def test_a_reason_that_is_not_the_routers_own_is_other(reason: str, label: str) -> None:
    assert bounded(reason) == label


def test_the_counts_of_a_destination_outlive_its_workers() -> None:
    metrics = Metrics()
    metrics.meter("crm").change("paused", "credentials")
    metrics.meter("crm").change("running", "")
    assert counts(metrics, CHANGES) == {("paused", "credentials"): 1, ("running", ""): 1}
    assert counts(metrics, CHANGES, "mail") == {}


def test_what_counts_by_destination_shows_those_that_are_asked_for() -> None:
    metrics = Metrics()
    for destination in ("crm", "mail"):
        metrics.meter(destination).change("paused", "by_hand")
    metrics.request("website", 200)
    labels = [s.labels for family in metrics.collect(["mail"]) for s in family.samples]
    assert {found["destination"] for found in labels if "destination" in found} == {"mail"}
    assert {"source": "website", "code": "200"} in labels


def test_the_counts_of_two_processes_are_their_own() -> None:
    one, other = Metrics(), Metrics()
    one.request("website", 200)
    assert counts(one, REQUESTS) == {("website", "200"): 1}
    assert counts(other, REQUESTS) == {}
