"""How much room the disk has for the store, and what may be stored at the moment.

The reserve `store.min_free` is for what events cause after they are accepted: rows of held and retried ones, attempts, receipts. So
accepting ends where the reserve begins; in its second half nothing may grow any more, so that what frees room can still be stored.
"""

from __future__ import annotations

import os
from enum import IntEnum
from pathlib import Path

from router.clock import Clock
from router.in_thread import in_thread

ASKED_AGAIN_S = 1.0


class Room(IntEnum):
    """What there is room for."""

    NOTHING_THAT_GROWS = 0  #: only for what frees room: less than half of the reserve is left
    DELIVERIES = 1  #: no event is accepted
    ALL = 2


class DiskSpace:
    """What the disk said last: a second ago at most, or at the last `look`, once there was one. `store`: the file of the database."""

    def __init__(self, store: Path, min_free_bytes: int, clock: Clock) -> None:
        self.min_free_bytes = min_free_bytes
        self.folder, self._wal, self._monotonic = store.parent, Path(f"{store}-wal"), clock.monotonic
        self._asked_at, self._free, self._wal_bytes = 0.0, -1, 0  #: -1: not known yet
        self._is_looked_at = False

    async def look(self) -> None:
        """Ask the disk beside the event loop. One that hangs holds up this alone: from now on nobody asks it in the event loop, also while
        the next look hangs, fails, or does not come."""
        self._is_looked_at = True
        self._free, self._wal_bytes = await in_thread(self._ask)

    def room(self) -> Room:
        """What there is room for."""
        free, reserve = self.free_bytes(), self.min_free_bytes
        if free >= reserve:
            return Room.ALL
        return Room.DELIVERIES if 2 * free >= reserve else Room.NOTHING_THAT_GROWS

    def left_bytes(self) -> int:
        """What the store may still grow by before events are refused."""
        return max(0, self.free_bytes() - self.min_free_bytes)

    def free_bytes(self) -> int:
        """Free on the disk, for a process without privileges."""
        self._refresh()
        return self._free

    def wal_bytes(self) -> int:
        """Size of the write-ahead log."""
        self._refresh()
        return self._wal_bytes

    def _refresh(self) -> None:
        """Where nobody looks beside the event loop, ask now."""
        if self._is_looked_at and self._free >= 0:
            return
        now = self._monotonic()  # asked for each append: router time would take ten times as long
        if self._free < 0 or now - self._asked_at >= ASKED_AGAIN_S:
            self._free, self._wal_bytes = self._ask()
            self._asked_at = now

    def _ask(self) -> tuple[int, int]:
        return free_bytes(self.folder), _size_of(self._wal)


def _size_of(file: Path) -> int:
    try:
        return file.stat().st_size
    except OSError:
        return 0


def free_bytes(folder: Path) -> int:
    """Free on the disk of a folder, for a process without privileges."""
    stat = os.statvfs(folder)
    return stat.f_bavail * stat.f_frsize
