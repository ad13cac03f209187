"""What ingestion needs of the stage behind it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from router.event import Call, Discard


class CallSink(Protocol):
    """The stage behind ingestion, which stores calls."""

    def accept_soon(
        self, calls: list[Call], discards: list[Discard], on_done: Callable[[Exception | None], None]
    ) -> None:
        """Store all of these. `on_done` is called later in the event loop: with None once they are on stable storage, with a
        StoreError when none of them may be acknowledged. Raises StoreError when nothing is taken now."""
        ...
