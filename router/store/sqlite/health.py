"""Whether the store can do its work, and in words what it cannot do and who must act."""

from __future__ import annotations

import asyncio

from router.store.disk_space import DiskSpace, Room
from router.store.sqlite.group_commit import Writer
from router.vocabulary import Problem


class StoreHealth:
    """Asks the writer and the disk; cheap enough to be asked for each event."""

    def __init__(self, writer: Writer, disk: DiskSpace) -> None:
        self._writer, self._disk = writer, disk

    @property
    def broken(self) -> str:
        """Why nothing can be written any more; empty while it can. The daemon ends then."""
        return self._writer.broken

    @property
    def failed(self) -> asyncio.Event:
        """Set with `broken`."""
        return self._writer.failed

    @property
    def writing_s(self) -> float:
        """For how long the group has been written that is being written now; 0 while none is."""
        since = self._writer.writing_since
        return 0.0 if since is None else self._writer.clock.monotonic() - since

    async def look_at_disk(self) -> None:
        """Ask the disk for its room, beside the event loop."""
        await self._disk.look()

    def may_append(self) -> bool:
        """Whether the disk has room for events."""
        return self._disk.room() == Room.ALL

    def may_grow(self) -> bool:
        """Whether rows may be added: held and retried events, dead letters. What frees room is stored at any time."""
        return self._disk.room() > Room.NOTHING_THAT_GROWS

    def problems(self) -> list[Problem]:
        """What is wrong now, gravest first; empty when all is well."""
        problems = []
        if self._writer.broken:
            problems.append(Problem("store_broken", f"the store cannot write: {self._writer.broken}; the daemon ends"))
        if self._writer.locked:
            words = (
                "another process (a backup, a copy, a sqlite3 shell?) holds a lock on the store: events are answered with 503 and"
                " deliveries are not booked until it lets go"
            )
            problems.append(Problem("store_locked", words))
        room = self._disk.room()
        if room == Room.DELIVERIES:
            words = f"{self._disk.folder} has less free room than store.min_free: events are answered with 503, deliveries go on"
            problems.append(Problem("disk_low", words))
        if room == Room.NOTHING_THAT_GROWS:
            words = (
                f"{self._disk.folder} has less free room than half of store.min_free: events are answered with 503, and destinations take up"
                " nothing that may have to be kept, only what frees room goes on"
            )
            problems.append(Problem("disk_full", words))
        return problems
