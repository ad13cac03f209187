"""The requests that are being stored, whichever path they take: how many there may be, and how they are cut."""

from __future__ import annotations

import asyncio
from typing import Protocol

from aiohttp import web

from router.ingest import limits
from router.ingest.turns import Turns


class Storing(Protocol):
    """A request of the hot path that is being stored."""

    def cut(self) -> None:
        """Answer it with 503 now."""
        ...


class InFlight:
    """Those of one application."""

    def __init__(self) -> None:
        self.tasks: set[asyncio.Task[object]] = set()  #: requests of the full path
        self.storing: set[Storing] = set()  #: requests of the hot path
        self.reading = 0  #: of these tasks, those whose body is on its way; bytes and connections bound them
        self.turns = Turns()  #: of those whose bodies take long
        self.is_cut = False  #: the listener ends, and takes nothing more

    def __len__(self) -> int:
        return len(self.tasks) - self.reading + len(self.storing)

    @property
    def is_full(self) -> bool:
        """Whether there is no room for one more."""
        return len(self) >= limits.MAX_IN_FLIGHT

    def cut(self) -> None:
        """Have all of them answered with 503 now."""
        self.is_cut = True
        for task in self.tasks:
            task.cancel()
        for one in list(self.storing):
            one.cut()


IN_FLIGHT = web.AppKey("in_flight", InFlight)
"""Where an application keeps its own."""
