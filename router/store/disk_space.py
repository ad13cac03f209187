"""How much room the disk has for the store, and what may be stored at the moment.

The reserve `store.min_free` is for what events cause after they are accepted: rows of held and retried ones, attempts, receipts. So
accepting ends where the reserve begins; in its second half nothing may grow any more, so that what frees room can still be stored.
"""

from __future__ import annotations

import os
from enum import IntEnum
from pathlib import Path

from router.clock import Clock

ASKED_AGAIN_MS = 1000


class Room(IntEnum):
    """What there is room for."""

    NOTHING_THAT_GROWS = 0  #: only for what frees room: less than half of the reserve is left
    DELIVERIES = 1  #: no event is accepted
    ALL = 2


class DiskSpace:
    """Asks the disk at most once a second."""

    def __init__(self, folder: Path, min_free_bytes: int, clock: Clock) -> None:
        self.min_free_bytes = min_free_bytes
        self.folder, self._clock = folder, clock
        self._asked_ms, self._room = -ASKED_AGAIN_MS, Room.ALL

    def room(self) -> Room:
        """What there is room for, as of the last second."""
        now = self._clock.now_ms()
        if now - self._asked_ms >= ASKED_AGAIN_MS:
            self._asked_ms = now
            free = self.free_bytes()
            halves = 2 * free // self.min_free_bytes if self.min_free_bytes else Room.ALL
            self._room = Room(min(halves, Room.ALL))
        return self._room

    def left_bytes(self) -> int:
        """What the store may still grow by before events are refused."""
        return max(0, self.free_bytes() - self.min_free_bytes)

    def free_bytes(self) -> int:
        """Free on the disk, for a process without privileges."""
        return free_bytes(self.folder)


def free_bytes(folder: Path) -> int:
    """Free on the disk of a folder, for a process without privileges."""
    stat = os.statvfs(folder)
    return stat.f_bavail * stat.f_frsize
