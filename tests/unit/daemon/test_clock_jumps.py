"""What is remembered of a jump of the clock."""

from __future__ import annotations

from router.admin.daemon_port import ClockJump
from router.daemon.clock_jumps import ClockJumps


def test_a_jump_of_the_clock_is_told_for_an_hour_of_the_clock_that_did_not_jump() -> None:
    now = [100.0]
    jumps = ClockJumps(lambda: now[0])
    assert jumps.clock_jump(7_000_000) is None
    jumps.clock_jumped(-7200.0)
    now[0] += 60
    assert jumps.clock_jump(7_000_000) == ClockJump(6_940_000, -7200.0)
    now[0] += 3600
    assert jumps.clock_jump(7_000_000) is None
