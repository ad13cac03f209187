"""How often each source sends, and whether it is silent for longer than usual."""

from __future__ import annotations

import pytest

from router.source_activity import DAY_MS, HOUR_MS, MINUTE_MS, SourceActivity

START = 1_767_000_000_000 - 1_767_000_000_000 % DAY_MS + 6 * HOUR_MS


class Time:
    """Router time that a test moves."""

    def __init__(self) -> None:
        self.ms = START

    def __call__(self) -> int:
        return self.ms


@pytest.fixture
def time() -> Time:
    return Time()


def busy(time: Time, every_ms: int, requests: int = 20) -> SourceActivity:
    """A source that sends in this rhythm, last now."""
    activity = SourceActivity(time)
    for _ in range(requests):
        time.ms += every_ms
        activity.note("website", 10, 0)
    return activity


def test_nothing_is_known_of_a_source_that_never_sent(time: Time) -> None:
    active = SourceActivity(time).of("website")
    assert (active.last_at, active.per_second, active.silent_ms) == (0, 0.0, 0)


def test_the_rate_is_that_of_the_last_two_minutes(time: Time) -> None:
    activity = busy(time, 1_000, 60)
    assert activity.of("website").per_second == pytest.approx(10, rel=0.05)
    time.ms += 3 * MINUTE_MS
    assert activity.of("website").per_second == 0


def test_counts_are_those_of_the_last_hour(time: Time) -> None:
    activity = SourceActivity(time)
    activity.note("website", 5, 2)
    time.ms += 30 * MINUTE_MS
    activity.note("website", 1, 1)
    assert activity.of("website")[2:4] == (6, 3)
    time.ms += 45 * MINUTE_MS
    assert activity.of("website")[2:4] == (1, 1)


def test_a_source_is_silent_after_twice_its_longest_gap(time: Time) -> None:
    activity = busy(time, HOUR_MS)
    time.ms += 2 * HOUR_MS
    assert activity.of("website").silent_ms == 0
    time.ms += MINUTE_MS
    assert activity.of("website").silent_ms == 2 * HOUR_MS + MINUTE_MS
    assert activity.of("website").longest_gap_ms == HOUR_MS


def test_a_source_that_sends_all_the_time_may_be_quiet_for_fifteen_minutes(time: Time) -> None:
    activity = busy(time, 1_000)
    time.ms += 15 * MINUTE_MS
    assert activity.of("website").silent_ms == 0
    time.ms += MINUTE_MS
    assert activity.of("website").silent_ms == 16 * MINUTE_MS


def test_who_sent_only_now_and_then_has_no_usual_gap(time: Time) -> None:
    activity = busy(time, 1_000, requests=9)
    time.ms += DAY_MS
    assert activity.of("website").silent_ms == 0


def test_a_gap_of_more_than_a_week_ago_is_forgotten(time: Time) -> None:
    activity = busy(time, 1_000, requests=5)
    time.ms += 12 * HOUR_MS
    activity.note("website", 1, 0)
    assert busy_days(time, activity, 6) == 12 * HOUR_MS
    assert busy_days(time, activity, 2) == HOUR_MS


def busy_days(time: Time, activity: SourceActivity, days: int) -> int:
    """Send every hour for so many days; returns the longest gap by then."""
    for _ in range(24 * days):
        time.ms += HOUR_MS
        activity.note("website", 1, 0)
    return activity.of("website").longest_gap_ms


def test_what_the_store_has_teaches_it_after_a_start(time: Time) -> None:
    activity = SourceActivity(time)
    activity.seed([("website", START - DAY_MS + n * MINUTE_MS) for n in range(20)])
    assert activity.of("website").last_at == START - DAY_MS + 19 * MINUTE_MS
    assert activity.of("website").silent_ms == DAY_MS - 19 * MINUTE_MS


def test_discards_alone_are_no_sign_of_life(time: Time) -> None:
    activity = busy(time, 1_000)
    time.ms += HOUR_MS
    activity.note("website", 0, 3)
    assert activity.of("website").silent_ms == HOUR_MS
