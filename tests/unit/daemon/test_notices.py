"""What is remembered of a refused reload and of a jump of the clock."""

from __future__ import annotations

from router.admin.daemon_port import ClockJump, RefusedReload
from router.daemon.notices import Notices


def test_a_refused_reload_is_told_until_one_is_taken() -> None:
    notices = Notices()
    notices.reload_refused(1000, ["a: wrong"])
    assert notices.refused_reload == RefusedReload(1000, ("a: wrong",), 0)
    notices.reloaded(2000)
    assert notices.refused_reload is None


def test_it_says_since_when_the_former_configuration_is_in_force() -> None:
    notices = Notices()
    notices.reloaded(500)
    notices.reload_refused(1000, ["a: wrong"])
    assert notices.refused_reload == RefusedReload(1000, ("a: wrong",), 500)


def test_a_jump_of_the_clock_is_told_for_an_hour_of_the_clock_that_did_not_jump() -> None:
    now = [100.0]
    notices = Notices(lambda: now[0])
    assert notices.clock_jump(7_000_000) is None
    notices.clock_jumped(-7200.0)
    now[0] += 60
    assert notices.clock_jump(7_000_000) == ClockJump(6_940_000, -7200.0)
    now[0] += 3600
    assert notices.clock_jump(7_000_000) is None
