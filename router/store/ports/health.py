"""Whether the store can do its work, and what it takes."""

from __future__ import annotations

import asyncio
from typing import Protocol

from router.store.rows import Pending, Upkeep, Written
from router.vocabulary import Problem


class Health(Protocol):
    """Whether the store can do its work. Cheap enough to be asked for each event."""

    @property
    def broken(self) -> str:
        """Why nothing can be written any more; empty while it can. The daemon ends then."""
        ...

    @property
    def failed(self) -> asyncio.Event:
        """Set with `broken`."""
        ...

    @property
    def writing_s(self) -> float:
        """For how long the group has been written that is being written now; 0 while none is."""
        ...

    async def look_at_disk(self) -> None:
        """Ask the disk for its room, beside the event loop: the answers here are as of the last look."""
        ...

    def may_append(self) -> bool:
        """Whether the disk has room for events."""
        ...

    def may_grow(self) -> bool:
        """Whether rows may be added: held and retried events, dead letters. What frees room is stored at any time."""
        ...

    def problems(self) -> list[Problem]:
        """What is wrong now, gravest first; empty when all is well."""
        ...


class Sizes(Protocol):
    """What the store takes, and what it has written since the start."""

    async def used_bytes(self) -> int:
        """What it takes, without room that it can use again. Raises StoreError where it cannot be read."""
        ...

    async def upkeep(self) -> Upkeep | None:
        """What ruins it slowly; None where nothing can. Raises StoreError where it cannot be read."""
        ...

    def left_bytes(self) -> int | None:
        """What it may still grow by before events are refused; None where only the database knows."""
        ...

    def free_bytes(self) -> int | None:
        """Free on its disk; None where only the database knows."""
        ...

    def wal_bytes(self) -> int:
        """Size of the write-ahead log."""
        ...

    def written(self) -> Written:
        """What was written since the start."""
        ...

    def pending(self) -> Pending:
        """What waits to be written."""
        ...
