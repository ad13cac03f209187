"""The database's clock as the wall clock of a node, so that all nodes go by one: however wrong a machine's own clock is, it changes nothing."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable

from router.store.postgres.database import Connection

LOOKS = 10
"""Of so many looks the one with the shortest trip counts: it is wrong by half of that at most."""
NOW = "SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint"


def since_boot_ns() -> int:
    """Nanoseconds on a clock that nobody sets, and that goes on while the machine sleeps."""
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME)


class DatabaseTime:
    """Until the first look it is the machine's own clock. Read from any thread."""

    def __init__(self, base_ns: Callable[[], int] = since_boot_ns, wall_ns: Callable[[], int] = time.time_ns) -> None:
        self._base_ns, self._wall_ns = base_ns, wall_ns
        self._looks: deque[tuple[int, int]] = deque(maxlen=LOOKS)  #: (trip, database less base), ns
        self._offset_ns: int | None = None

    def now_ns(self) -> int:
        """Nanoseconds since 1970."""
        return self._wall_ns() if self._offset_ns is None else self._base_ns() + self._offset_ns

    async def look(self, connection: Connection) -> None:
        """Ask the database. Raises what it says."""
        asked_at = self._base_ns()
        self.seen(asked_at, await connection.fetchval(NOW))

    def seen(self, asked_at_ns: int, database_us: int) -> None:
        """What the database has just answered to what was asked then, by the clock that nobody sets."""
        trip = self._base_ns() - asked_at_ns
        self._looks.append((trip, database_us * 1000 - asked_at_ns - trip // 2))
        self._offset_ns = min(self._looks)[1]
