"""Buckets of counts as series for a plot: as many points as the period has, and gaps where the router did not run."""

from __future__ import annotations

import pytest

from router.admin.series import PERIODS, Bucket, begin_ms, reasons, series, total
from router.counts import Counted, Counts

NOW = 1_767_700_830_000  # 12:00:30 UTC
MINUTE, HOUR = 60_000, 3_600_000
THIS_MINUTE = NOW - NOW % MINUTE
D, E = Counted("destination", "d"), Counted("destination", "e")
S = Counted("source", "s")


def delivered(n: int, **peak: float) -> Counts:
    return Counts({"delivered": n}, peak=peak)


@pytest.mark.parametrize("period", PERIODS)
def test_a_period_has_its_points_and_this_moment_is_in_the_last_one(period: str) -> None:
    span = PERIODS[period]
    found = series([], span, NOW)
    assert len(found["times"]) == span.length_s // span.step_s <= 200
    assert found["times"][-1] * 1000 <= NOW < (found["times"][-1] + span.step_s) * 1000
    assert found["columns"] == {}


def test_minutes_are_added_up_to_points_of_ten() -> None:
    ten = NOW - NOW % (10 * MINUTE) - 10 * MINUTE
    buckets: list[Bucket] = [(ten + n * MINUTE, D, delivered(n, oldest_s=n)) for n in range(10)]
    columns = series(buckets, PERIODS["24h"], NOW)["columns"]
    assert columns["delivered"][-2:] == [45, None]
    assert columns["oldest_s"][-2] == 9, "of samples the highest is shown"


def test_a_minute_in_which_the_router_did_not_run_is_a_gap_and_an_idle_one_is_0() -> None:
    buckets: list[Bucket] = [(THIS_MINUTE - 2 * MINUTE, D, Counts()), (THIS_MINUTE, D, delivered(1))]
    columns = series(buckets, PERIODS["10m"], NOW)["columns"]
    assert columns["delivered"][-3:] == [0, None, 1]
    assert columns["latency_p50_s"][-1] is None, "nobody knows how long that one took"


def test_all_destinations_together_add_up_and_show_the_oldest_event_of_any() -> None:
    buckets: list[Bucket] = [
        (THIS_MINUTE, D, delivered(2, oldest_s=10.0, held_people=1)),
        (THIS_MINUTE, E, delivered(3, oldest_s=5.0, held_people=4)),
        (THIS_MINUTE, S, Counts({"accepted": 7})),
    ]
    columns = series(buckets, PERIODS["1h"], NOW)["columns"]
    last = {name: values[-1] for name, values in columns.items()}
    assert (last["accepted"], last["delivered"], last["oldest_s"], last["held_people"]) == (7, 5, 10.0, 5)


def test_latencies_of_several_minutes_come_from_all_their_deliveries() -> None:
    quick, slow = Counts(), Counts()
    quick.took(40, 99)
    slow.took(100_000, 1)
    at = NOW - NOW % HOUR
    columns = series([(at, D, quick), (at, D, slow)], PERIODS["7d"], NOW)["columns"]
    assert columns["latency_p50_s"][-1] < 0.05
    assert columns["latency_p95_s"][-1] < 0.05


def test_a_period_begins_with_a_whole_step() -> None:
    assert begin_ms(PERIODS["90d"], NOW) % (12 * HOUR) == 0


def test_a_total_has_the_reasons_of_all_buckets_the_most_frequent_first() -> None:
    one, two = Counts(), Counts()
    one.count("dead", 1, "expired")
    two.count("dead", 5, "rejected")
    two.count("filtered", 2, "consent")
    assert reasons(total([(1, D, one), (2, D, two)])) == {
        "dead": {"rejected": 5, "expired": 1},
        "filtered": {"consent": 2},
    }
