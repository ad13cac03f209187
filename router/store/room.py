"""How much room the disk has for the store."""

from __future__ import annotations

import os
from pathlib import Path

from router.clock import Clock

ASKED_AGAIN_MS = 1000


class Room:
    """Whether the disk has room for events and for all the commits they will cause; asked at most once a second."""

    def __init__(self, folder: Path, min_free_bytes: int, clock: Clock) -> None:
        self._folder, self._min_free, self._clock = folder, min_free_bytes, clock
        self._asked_ms, self._enough = -ASKED_AGAIN_MS, True

    def enough(self) -> bool:
        """True while more than `min_free` is free."""
        now = self._clock.now_ms()
        if now - self._asked_ms >= ASKED_AGAIN_MS:
            self._asked_ms = now
            self._enough = self.free_bytes() >= self._min_free
        return self._enough

    def left_bytes(self) -> int:
        """What the store may still grow by before events are refused."""
        return max(0, self.free_bytes() - self._min_free)

    def free_bytes(self) -> int:
        """Free on the disk, for a process without privileges."""
        stat = os.statvfs(self._folder)
        return stat.f_bavail * stat.f_frsize
