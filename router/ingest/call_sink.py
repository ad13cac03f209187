"""What ingestion needs of the stage behind it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from router.event import Call, Discard

OnDone = Callable[[Exception | int], None]
"""What is called with the number of duplicates among the calls once all are on stable storage, with a StoreError when none of them may
be acknowledged."""


class CallSink(Protocol):
    """The stage behind ingestion, which stores calls."""

    def accept_soon(self, calls: list[Call], discards: list[Discard], on_done: OnDone) -> None:
        """Store all of these. `on_done` is called later in the event loop. Raises StoreError when nothing is taken now."""
        ...
