"""What is remembered of a jump of the clock."""

from __future__ import annotations

from router.admin.daemon_port import ClockJump
from router.daemon.notices import Notices


def test_a_jump_of_the_clock_is_told_for_an_hour_of_the_clock_that_did_not_jump() -> None:
    now = [100.0]
    notices = Notices(lambda: now[0])
    assert notices.clock_jump(7_000_000) is None
    notices.clock_jumped(-7200.0)
    now[0] += 60
    assert notices.clock_jump(7_000_000) == ClockJump(6_940_000, -7200.0)
    now[0] += 3600
    assert notices.clock_jump(7_000_000) is None
