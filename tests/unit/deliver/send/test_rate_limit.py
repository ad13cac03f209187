"""The operator's rate: a token bucket that never runs into debt."""

from __future__ import annotations

import asyncio

import pytest

from router.config import Rate
from router.deliver.send.rate_limit import RateLimit
from router.testing.clock import FakeClock


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


def taken(rate: RateLimit, most: int = 1000) -> int:
    """How many may go now."""
    return next((n for n in range(most) if not rate.try_take()), most)


@pytest.mark.parametrize(("count", "per_s"), [(1, 1.0), (10, 1.0), (100, 60.0), (5, 3600.0)])
def test_a_whole_count_may_go_at_once_and_not_one_more(clock: FakeClock, count: int, per_s: float) -> None:
    assert taken(RateLimit(Rate(count, per_s), clock)) == count


def test_tokens_come_back_evenly(clock: FakeClock) -> None:
    rate = RateLimit(Rate(10, 1.0), clock)
    taken(rate)
    clock.advance(0.35)
    assert taken(rate) == 3


def test_an_idle_hour_saves_up_no_more_than_one_count(clock: FakeClock) -> None:
    rate = RateLimit(Rate(10, 1.0), clock)
    taken(rate)
    clock.advance(3600)
    assert taken(rate) == 10


def test_asking_in_vain_costs_nothing(clock: FakeClock) -> None:
    rate = RateLimit(Rate(1, 10.0), clock)
    taken(rate)
    for _ in range(50):
        assert not rate.try_take()
    clock.advance(10)
    assert rate.try_take()


@pytest.mark.parametrize(("count", "per_s"), [(1, 1.0), (3, 7.0), (1000, 1.0), (2, 3600.0)])
def test_after_the_wait_it_names_there_is_a_token(clock: FakeClock, count: int, per_s: float) -> None:
    rate = RateLimit(Rate(count, per_s), clock)
    taken(rate)
    wait_ms = rate.wait_ms()
    assert 1 <= wait_ms <= 1000 * per_s / count + 1
    clock.ms += wait_ms
    assert rate.try_take()


async def test_who_waits_gets_tokens_at_the_rate(clock: FakeClock) -> None:
    rate = RateLimit(Rate(1, 10.0), clock)
    await rate.acquire()
    waiting = asyncio.create_task(rate.acquire())
    await asyncio.sleep(0)
    assert not waiting.done()
    clock.advance(11)
    await waiting
    assert not rate.try_take()


def test_over_a_long_time_no_more_goes_than_the_rate_allows(clock: FakeClock) -> None:
    rate = RateLimit(Rate(7, 1.0), clock)
    gone = 0
    for _ in range(1000):
        gone += taken(rate)
        clock.advance(0.011)
    assert 7 * 10.9 < gone <= 7 * 11 + 7
