"""The log, as its writers and its readers see it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from router.errors import StoreError
from router.event import Call, Discard
from router.store.rows import DirectoryUpdate, LogRow

OnStored = Callable[[list[int] | StoreError], None]
"""Told of an append once it is durable: its positions; or why nothing of it was stored."""


class EventLog(Protocol):
    """The accepted events in order, shared by all."""

    @property
    def head(self) -> int:
        """Position of the newest readable event."""
        ...

    def watch(self, wake: Callable[[], None]) -> None:
        """Call `wake` whenever the head has moved, behind `on_done` of all appends that moved it. It carries no data: losing one costs
        time, not events."""
        ...

    def unwatch(self, wake: Callable[[], None]) -> None:
        """Stop calling `wake`."""
        ...

    async def append(
        self, calls: Sequence[Call], facts: Sequence[DirectoryUpdate | None], discards: Sequence[Discard]
    ) -> list[int]:
        """Store events. Returns their positions in the same order, 0 for a duplicate."""
        ...

    def append_soon(
        self,
        calls: Sequence[Call],
        facts: Sequence[DirectoryUpdate | None],
        discards: Sequence[Discard],
        on_done: OnStored,
    ) -> None:
        """Store events, and call `on_done` in the event loop once that is durable or has failed; never from within this call.
        Raises StoreError when nothing is taken now; `on_done` is not called then."""
        ...

    async def read(self, after: int, limit: int, max_bytes: int) -> list[LogRow]:
        """Events above a position, ascending, up to a count and about this many bytes; at least one if there is any."""
        ...

    async def span(self, since_ms: int, until_ms: int) -> tuple[int, int]:
        """The retained events accepted in this time: (behind this position, up to this one)."""
        ...
