"""Takes the appends that wait for the writer of a store, as many as there is room for."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from typing import Protocol

from router.errors import StoreBusy, StoreClosed, StoreError
from router.event import Call, Discard
from router.store.log_cache import OPENED_EVENTS, TAIL_BYTES, LogCache
from router.store.pending import Append, settle
from router.store.ports import OnStored
from router.store.rows import DirectoryUpdate, Pending

PENDING_ROWS, PENDING_BYTES = 20_000, 32_000_000


class Head(Protocol):
    """Where the log ends, as committed."""

    @property
    def pos(self) -> int: ...


class AppendIntake:
    """The side of a writer that the event loop asks. Its `run` takes what is in `_appends`."""

    head: Head

    def __init__(self) -> None:
        self.tail = LogCache()
        self.watchers: list[Callable[[], None]] = []
        self._appends: deque[Append] = deque()
        self._rows = self._bytes = 0  #: of what waits
        self._wake = asyncio.Event()
        self._closing = False

    async def append(
        self, calls: Sequence[Call], facts: Sequence[DirectoryUpdate | None], discards: Sequence[Discard]
    ) -> list[int]:
        """Store events; positions in the same order, 0 for a duplicate. Durable on return."""
        done: asyncio.Future[list[int]] = asyncio.get_running_loop().create_future()
        self.append_soon(calls, facts, discards, partial(settle, done))
        return await done

    def append_soon(
        self,
        calls: Sequence[Call],
        facts: Sequence[DirectoryUpdate | None],
        discards: Sequence[Discard],
        on_done: OnStored,
    ) -> None:
        """Store events, and call `on_done` in the event loop once that is durable or has failed; never from within this call.

        Raises: StoreError when nothing is taken now; `on_done` is not called then.
        """
        size = sum([len(call.body) for call in calls])
        self._refuse_if_closed()
        if self._rows + len(calls) + len(discards) > PENDING_ROWS or self._bytes + size > PENDING_BYTES:
            raise StoreBusy
        if (refusal := self._no_room()) is not None:
            raise refusal
        if self._rows > OPENED_EVENTS or self._bytes > TAIL_BYTES:
            for call in calls:
                call.opened = None  # it takes six times its body, and the bound above is one of bodies
        self._appends.append(Append(calls, facts, discards, size, on_done))
        self._rows += len(calls) + len(discards)
        self._bytes += size
        self._wake.set()

    @property
    def pending(self) -> Pending:
        """What waits to be written."""
        return Pending(self._rows, self._bytes)

    def close(self) -> None:
        """Take nothing more; `run` ends once what is pending is stored."""
        self._closing = True
        self._wake.set()

    def _refuse_if_closed(self) -> None:
        if self._closing:
            raise StoreClosed

    def _no_room(self) -> StoreError | None:
        """Why nothing more can be stored, whatever waits."""
        return None


class QueuedLog:
    """What every `ports.EventLog` has of its writer."""

    def __init__(self, intake: AppendIntake) -> None:
        self._intake = intake

    @property
    def head(self) -> int:
        """Position of the newest readable event."""
        return self._intake.head.pos

    def watch(self, wake: Callable[[], None]) -> None:
        """Call `wake` whenever the head has moved."""
        self._intake.watchers.append(wake)

    def unwatch(self, wake: Callable[[], None]) -> None:
        """Stop calling `wake`."""
        self._intake.watchers.remove(wake)

    async def append(
        self, calls: Sequence[Call], facts: Sequence[DirectoryUpdate | None], discards: Sequence[Discard]
    ) -> list[int]:
        """Store events. Returns their positions in the same order, 0 for a duplicate."""
        return await self._intake.append(calls, facts, discards)

    def append_soon(
        self,
        calls: Sequence[Call],
        facts: Sequence[DirectoryUpdate | None],
        discards: Sequence[Discard],
        on_done: OnStored,
    ) -> None:
        """Store events, and call `on_done` in the event loop once that is durable or has failed."""
        self._intake.append_soon(calls, facts, discards, on_done)
