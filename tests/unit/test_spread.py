"""A histogram in plain numbers, as Prometheus has it."""

from __future__ import annotations

from router.spread import Spread


def test_a_bound_belongs_to_its_bucket_and_buckets_include_those_below() -> None:
    spread = Spread((1, 5))
    for value in (0.5, 1, 2, 5, 7):
        spread.add(value)
    assert spread.buckets() == [("1", 2), ("5", 4), ("+Inf", 5)]
    assert spread.sum == 15.5
