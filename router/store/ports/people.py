"""Forgetting and suppressing people."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from router.store.regulation import Demand, Regulation, Tool
from router.store.shards import WHOLE, Share
from router.store.suppressions import Suppressions


class People(Protocol):
    """Demands to forget or to suppress people."""

    @property
    def suppressions(self) -> Suppressions:
        """Whose calls are not accepted."""
        ...

    async def joined(self, user_keys: Sequence[str]) -> dict[str, list[str]]:
        """The anonymous keys that the directory has joined to each of these."""
        ...

    async def begin(self, demand: Demand) -> Regulation:
        """Record a demand. When this returns, the directory knows these people no more, nobody reads their events of before, and
        who is suppressed is refused."""
        ...

    async def begin_again(self) -> int:
        """Record the regulations that the store has lost, because an older copy of it was put back. Returns how many. To be called
        before anybody reads the store. Raises OSError."""
        ...

    async def find(self, regulation_id: str) -> Regulation | None:
        """The regulation of this id."""
        ...

    async def heed(self, regulation_id: str) -> Regulation:
        """The regulation of this id. From here on this process reads no events of its people or groups."""
        ...

    async def newest(self, limit: int) -> list[Regulation]:
        """The newest regulations, newest first."""
        ...

    async def copies(self, *, remove: bool = False) -> list[str]:
        """Files beside the store that hold a copy of it from before an upgrade or a restore. `remove`: delete them."""
        ...


class Erasure(Protocol):
    """Carrying out regulations. Every step is stored with the progress of its regulation, and can be repeated."""

    async def resume(self) -> list[Regulation]:
        """Those that this process is to carry out, oldest first. It reads the events of their people no more."""
        ...

    async def left_behind(self) -> list[Regulation]:
        """Those whose process has ended, oldest first: this one carries them out from now on. None where no other process uses the store."""
        ...

    async def until_left_behind(self) -> None:
        """Return when there may be some."""
        ...

    async def touches(self, destination: str, regulation: Regulation, share: Share = WHOLE) -> bool:
        """Whether a destination, or this shard of it, has any row of these people."""
        ...

    async def erase_at(self, destination: str, regulation_id: str, share: Share = WHOLE) -> None:
        """Erase the rows of these people at a destination, in slices. None of its workers may have anything of them in memory. Raises
        CommandRefused `elsewhere` where another process has it."""
        ...

    async def erase_on(self, regulation_id: str) -> Regulation:
        """Take the next step, or a slice of it. The first one, `Step.ROWS`, must be done at all destinations by then."""
        ...

    async def asked(self, destination: str, regulation_id: str) -> list[int]:
        """Where the deletions of a regulation stand that a destination was asked for, and that wait or failed."""
        ...

    async def deletions(self, destination: str, positions: Sequence[int]) -> dict[int, tuple[str, str]]:
        """(state, reason) of each of the deletions that a destination was asked for, by position."""
        ...

    async def drop_deletions(self, destination: str, positions: Sequence[int], share: Share = WHOLE) -> None:
        """Take back deletions that wait or failed. None of the destination's workers may have anything of them in memory."""
        ...

    async def note_tool(self, regulation_id: str, destination: str, tool: Tool) -> Regulation:
        """How far a destination is with what it was asked to delete."""
        ...
