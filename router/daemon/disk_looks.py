"""Looks at the disk in a thread, again and again: what is asked of the daemon is answered from the last look, also while the disk hangs."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from router.background import looking
from router.backup import last_backup
from router.clock import Clock
from router.in_thread import in_thread
from router.logger import Log
from router.store import Health

LOOK_S = 0.5


class DiskLooks:
    """The room on the disk of the store, and the file of the last backup. Each waits for a disk that hangs: there is one such thread of each."""

    def __init__(self, health: Health, backups: last_backup.Known, clock: Clock, log: Log) -> None:
        self._health, self._backups, self._clock, self._log = health, backups, clock, log

    @asynccontextmanager
    async def watched(self) -> AsyncIterator[None]:
        """Look now, and again and again at each of the two, also while the other one hangs."""
        await self._health.look_at_disk()
        await self._look_at_backup()
        async with (
            looking("disk-looks", self._health.look_at_disk, LOOK_S, self._clock, self._log),
            looking("backup-looks", self._look_at_backup, LOOK_S, self._clock, self._log),
        ):
            yield

    async def _look_at_backup(self) -> None:
        await in_thread(self._backups.look)
