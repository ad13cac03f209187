"""Waits grow with full jitter up to five minutes; what was asked for is waited exactly."""

from __future__ import annotations

from random import Random

import pytest

from router.deliver.send.backoff import ASKED_CAP_S, wait_s


class Longest(Random):
    """Draws the upper end of any span."""

    def uniform(self, a: float, b: float) -> float:
        return b


@pytest.mark.parametrize(
    ("attempts", "longest"),
    [(1, 1), (2, 2), (3, 4), (4, 8), (5, 16), (9, 256), (10, 300), (11, 300), (1000, 300), (10**6, 300)],
)
def test_the_longest_wait_doubles_up_to_five_minutes(attempts: int, longest: float) -> None:
    assert wait_s(attempts, Longest()) == longest


@pytest.mark.parametrize("attempts", [1, 5, 20])
def test_waits_are_spread_over_the_whole_span(attempts: int) -> None:
    longest = wait_s(attempts, Longest())
    drawn = [wait_s(attempts, Random(seed)) for seed in range(300)]
    assert all(0 < wait <= longest for wait in drawn)
    assert min(drawn) < longest / 8
    assert max(drawn) > longest * 7 / 8


@pytest.mark.parametrize(("asked", "wait"), [(5.0, 5.0), (0.25, 0.25), (7200.0, 7200.0)])
def test_a_wait_that_was_asked_for_is_exact(asked: float, wait: float) -> None:
    assert wait_s(3, Random(1), asked) == wait


@pytest.mark.parametrize("asked", [86_401.0, 1e20, float("inf")])
def test_nobody_waits_longer_than_a_day_because_it_was_asked_for(asked: float) -> None:
    assert wait_s(1, Random(1), asked) == ASKED_CAP_S


@pytest.mark.parametrize("asked", [0.0, -1.0, float("-inf"), float("nan")])
def test_a_wait_of_nothing_is_a_wait_like_any_other(asked: float) -> None:
    assert 0.05 <= wait_s(3, Random(1), asked) <= 4
