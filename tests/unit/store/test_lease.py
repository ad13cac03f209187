"""A lease ends for its owner before it ends for others, by a clock that no freeze stops."""

from __future__ import annotations

import pytest

from router.store.postgres.lease import MARGIN_S, Held, beat_s, since_boot, unit_lease_s


class Time:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.mark.parametrize(("passed_s", "may_send"), [(0.0, True), (7.9, True), (8.1, False), (20.0, False)])
def test_a_request_begins_only_where_it_ends_before_the_lease(passed_s: float, may_send: bool) -> None:
    time = Time()
    held = Held(20.0, time.now, time)
    time.now += passed_s
    assert held.lasts(10.0) is may_send


def test_a_sign_of_life_counts_from_when_it_was_sent() -> None:
    time = Time()
    held = Held(20.0, time.now, time)
    asked_at, time.now = time.now, time.now + 15.0
    assert not held.lasts(10.0)
    held.renew(asked_at + 8.0)
    assert held.lasts(10.0)
    held.renew(asked_at)
    assert not held.lasts(10.0)


def test_a_unit_sends_on_while_three_signs_of_life_fail() -> None:
    for lease_s, timeout_s in ((15.0, 10.0), (3.0, 1.0), (3.0, 60.0), (60.0, 1.0)):
        time = Time()
        held = Held(unit_lease_s(lease_s, timeout_s), time.now, time)
        time.now += 3 * beat_s(lease_s) - 0.001
        assert held.lasts(timeout_s)
    assert unit_lease_s(15.0, 10.0) == 19.5
    assert unit_lease_s(15.0, 10.0) > 10.0 + 2 * MARGIN_S


def test_the_clock_goes_on() -> None:
    before = since_boot()
    assert since_boot() >= before > 0
