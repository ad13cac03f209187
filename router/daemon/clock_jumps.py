"""The newest jump of the wall clock, which an operator should still know of for a while. In memory; a restart ends it."""

from __future__ import annotations

import time
from collections.abc import Callable

from router.admin.daemon_port import ClockJump

JUMP_SHOWN_MS = 3_600_000
"""So long a jump of the clock is told of."""


class ClockJumps:
    """Told of each; remembers the newest."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._jump: tuple[float, float] | None = None  # when, on the monotonic clock, and by how many seconds

    def clock_jumped(self, seconds: float) -> None:
        """The wall clock has jumped. Router time may not be there yet."""
        self._jump = (self._monotonic(), seconds)

    def clock_jump(self, now_ms: int) -> ClockJump | None:
        """The newest jump of the last hour."""
        if self._jump is None:
            return None
        at, seconds = self._jump
        ago_ms = int((self._monotonic() - at) * 1000)
        return ClockJump(now_ms - ago_ms, seconds) if ago_ms <= JUMP_SHOWN_MS else None
