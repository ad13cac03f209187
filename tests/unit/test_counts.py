"""Counts of a span: added up, told apart by reason, and how long deliveries took."""

from __future__ import annotations

import msgspec
import pytest

from router.counts import LATENCY_BOUNDS_S, MOST_REASONS, Counts


def test_a_number_and_its_reason_are_counted_together() -> None:
    counts = Counts()
    counts.count("dead", 2, "rejected")
    counts.count("dead", 1, "expired")
    assert (counts.n, counts.why) == ({"dead": 3}, {"dead rejected": 2, "dead expired": 1})


def test_reasons_are_bounded_whatever_a_plugin_says() -> None:
    counts = Counts()
    for n in range(MOST_REASONS + 100):
        counts.count("dead", 1, f"word-{n}")
    assert len(counts.why) == MOST_REASONS + 1
    assert counts.why["dead other"] == 100
    assert counts.n == {"dead": MOST_REASONS + 100}


def test_what_was_counted_since_a_copy_is_the_difference() -> None:
    counts = Counts()
    counts.count("delivered", 5)
    counts.took(300, 5)
    before = counts.copy()
    counts.count("delivered", 2)
    counts.count("dead", 1, "rejected")
    counts.took(90_000, 2)
    fresh = counts.since(before)
    assert (fresh.n, fresh.why) == ({"delivered": 2, "dead": 1}, {"dead rejected": 1})
    assert sum(fresh.latency.values()) == 2
    assert counts.since(counts.copy()) == Counts()


def test_peaks_are_not_added_up() -> None:
    counts = Counts(peak={"oldest_s": 5.0})
    counts.add(Counts(peak={"oldest_s": 3.0, "held_people": 2}))
    assert counts.peak == {"oldest_s": 5.0, "held_people": 2}


@pytest.mark.parametrize(("took_ms", "share"), [(40, 0.5), (700, 0.5), (45_000, 0.95), (3_000_000, 0.95)])
def test_a_latency_lies_between_the_bounds_around_what_was_measured(took_ms: int, share: float) -> None:
    counts = Counts()
    counts.took(took_ms, 100)
    seconds = counts.latency_s(share)
    assert seconds is not None
    above = next(bound for bound in LATENCY_BOUNDS_S if took_ms / 1000 <= bound)
    below = max((bound for bound in LATENCY_BOUNDS_S if bound < above), default=0.0)
    assert below < seconds <= above


def test_half_of_the_deliveries_are_quicker_than_the_median() -> None:
    counts = Counts()
    counts.took(80, 95)
    counts.took(400_000, 5)
    quick, slow = counts.latency_s(0.5), counts.latency_s(0.96)
    assert quick is not None
    assert slow is not None
    assert quick < 0.1
    assert 300 < slow <= 600
    assert Counts().latency_s(0.5) is None


def test_what_takes_longer_than_the_last_bound_is_counted_behind_it() -> None:
    counts = Counts()
    counts.took(10**12)
    assert counts.latency == {len(LATENCY_BOUNDS_S): 1}
    assert counts.latency_s(0.5) == LATENCY_BOUNDS_S[-1]


def test_counts_are_the_same_after_they_were_written_as_json() -> None:
    counts = Counts()
    counts.count("delivered", 1)
    counts.took(10)
    counts.peak["oldest_s"] = 1.5
    assert msgspec.json.decode(msgspec.json.encode(counts), type=Counts) == counts
