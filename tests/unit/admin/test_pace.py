"""How much was sent a week before, and how fast the store grows: from buckets of an hour."""

from __future__ import annotations

import pytest

from router.admin.pace import DAY_MS, HOUR_MS, a_week_before, growth
from router.admin.series import Bucket
from router.counts import STORE, Counted, Counts

NOW = 1_767_700_830_000 - 1_767_700_830_000 % HOUR_MS + HOUR_MS // 4  # a quarter past
THEN = NOW - HOUR_MS // 4 - 7 * DAY_MS  # the full hour of a week before
S = Counted("source", "website")


def accepted(at: int, n: int) -> Bucket:
    return at, S, Counts({"accepted": n})


def size(at: int, n: float) -> Bucket:
    return at, STORE, Counts(peak={"bytes": n})


def test_the_hour_of_a_week_before_has_its_share_of_two_buckets() -> None:
    hours = [
        accepted(THEN - 2 * HOUR_MS, 1_000),
        accepted(THEN - HOUR_MS, 100),
        accepted(THEN, 40),
        accepted(THEN + HOUR_MS, 1_000),
    ]
    assert a_week_before(hours, NOW) == 75 + 10


def test_nothing_came_then_is_0_and_not_to_have_run_is_none() -> None:
    assert a_week_before([accepted(THEN, 0)], NOW) == 0
    assert a_week_before([accepted(THEN + HOUR_MS, 5)], NOW) is None
    assert a_week_before([], NOW) is None


def test_a_growth_is_that_of_the_last_day() -> None:
    before = [size(NOW - 40 * HOUR_MS, 1e12), size(NOW - 30 * HOUR_MS, 5e9)]
    lately = [size(NOW - n * HOUR_MS, 5e9 - 1e8 * n) for n in range(24, -1, -1)]
    assert growth([*before, *lately]) == pytest.approx(24e8)


def test_a_store_that_was_measured_for_less_than_three_hours_has_no_pace_yet() -> None:
    assert growth([]) is None
    assert growth([size(NOW - 2 * HOUR_MS, 1.0), size(NOW, 2.0)]) is None
    assert growth([size(NOW - 3 * HOUR_MS, 8.0), size(NOW, 7.0)]) == -8.0


def test_hours_without_a_size_are_left_out() -> None:
    hours = [size(NOW - 4 * HOUR_MS, 0.0), (NOW - 3 * HOUR_MS, STORE, Counts()), size(NOW, 4.0)]
    assert growth(hours) == 24.0
