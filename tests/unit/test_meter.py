"""What the process counts of itself, and that a label is never an event's or a vendor's own word."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from router.metrics import Histogram, Meter, Metrics, bounded, status_class
from router.plugin import Delivered, Outcome, Pause, Reject, RetryLater, Split


def test_a_histogram_counts_up_to_each_bound_and_adds_up() -> None:
    histogram = Histogram((0.1, 1.0))
    for value in (0.05, 0.1, 0.5, 7.0):
        histogram.observe(value)
    assert histogram.buckets() == [("0.1", 2), ("1.0", 3), ("+Inf", 4)]
    assert histogram.sum == pytest.approx(7.65)


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
    meter = Meter()
    meter.attempt(200, outcomes, 250)
    assert meter.attempts == {("2xx", word): 1}
    assert meter.seconds.sum == 0.25


def test_an_outcome_of_a_plugins_own_class_counts_as_what_it_is() -> None:
    class Busy(RetryLater):
        pass

    meter = Meter()
    meter.attempt(None, [Busy("busy")], 0)
    assert meter.attempts == {("none", "retry"): 1}


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
    assert metrics.meter("crm").changes == {("paused", "credentials"): 1, ("running", ""): 1}
    assert not metrics.meter("mail").changes
