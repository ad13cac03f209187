"""Looks at the disk in a thread, again and again: what is asked of the daemon is answered from the last look, also while the disk hangs."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from router.background import beside
from router.backup import last_backup
from router.clock import Clock
from router.in_thread import in_thread
from router.logger import Log
from router.store import Health

LOOK_S = 0.5
"""Twice as often as the room may be asked for, so that nobody else asks."""


class DiskLooks:
    """The room on the disk of the store, and the file of the last backup. It waits for a disk that hangs: there is one such thread at most."""

    def __init__(self, health: Health, backups: last_backup.Known, clock: Clock, log: Log) -> None:
        self._health, self._backups, self._clock, self._log = health, backups, clock, log

    @asynccontextmanager
    async def watched(self) -> AsyncIterator[None]:
        """Look now and again and again."""
        await self.look()
        async with beside("disk-looks", self._watch, self._clock, self._log):
            yield

    async def _watch(self) -> None:
        while True:
            await self._clock.sleep(LOOK_S)
            await self.look()

    async def look(self) -> None:
        """Look once."""
        await self._health.look_at_disk()
        await in_thread(self._backups.look)
