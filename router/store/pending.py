"""What waits to be written: appends and commits, each with whoever is told of it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass

from router.errors import StoreError
from router.event import Call, Discard
from router.store.commit_batch import CommitBatch
from router.store.fence import Fence
from router.store.ports import OnStored
from router.store.rows import DirectoryUpdate

log = logging.getLogger("router.store")


@dataclass
class Append:
    """Calls of one request."""

    calls: Sequence[Call]
    facts: Sequence[DirectoryUpdate | None]
    discards: Sequence[Discard]
    size: int
    on_done: OnStored

    @property
    def rows(self) -> int:
        """How many rows it writes: what was refused takes room, too."""
        return len(self.calls) + len(self.discards)

    def answer(self, result: list[int] | StoreError) -> None:
        """Tell whoever waits. An error of theirs is not the writer's: others wait for it, too."""
        try:
            self.on_done(result)
        except Exception:
            log.exception("what waits for an append failed when it was told")


@dataclass
class Commit:
    """A step of a destination."""

    step: CommitBatch
    fence: Fence
    done: asyncio.Future[list[tuple[str, str]]]

    def answer(self, result: StoreError) -> None:
        """Tell the destination that waits, if it still does."""
        if not self.done.done():
            self.done.set_exception(result)


def settle(done: asyncio.Future[list[int]], result: list[int] | StoreError) -> None:
    """Tell who awaits an append; they may be gone."""
    if done.done():
        return
    if isinstance(result, StoreError):
        done.set_exception(result)
    else:
        done.set_result(result)
