"""How many connections are read in one turn of the loop: so a turn is short, and a new connection is accepted and read in the next ones.

Left alone, a turn takes whatever has come on all connections. With 9,000 busy ones that is a second and more, and a new connection
needs several turns until it is answered.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Protocol

from router.ingest import limits

FEW = 8
"""Of fewer, two turns take less than a millisecond."""


class Readable(Protocol):
    """A connection."""

    def stand_by(self) -> None:
        """Read nothing more for now."""
        ...

    def go_on(self) -> None:
        """Read again."""
        ...


class FairReading:
    """Of one listener."""

    def __init__(self) -> None:
        self._read, self._read_before = 0, 0  #: in this turn, and in the last one with any
        self._standing_by: deque[Readable] = deque()
        self._is_counting = False

    @property
    def is_busy(self) -> bool:
        """Whether turns are not short: one accepted connection in each would be few."""
        return self._read + self._read_before >= FEW

    def was_read(self, one: Readable) -> None:
        """Something has come on this connection. Where it is one too many in this turn, it has to wait for another one."""
        if not self._is_counting:
            self._is_counting = True
            asyncio.get_running_loop().call_soon(self._next_turn)
        self._read += 1
        if self._read > limits.MAX_READ or self._standing_by:  # else the first ones would be read in each turn
            self._standing_by.append(one)
            one.stand_by()

    def _next_turn(self) -> None:
        self._read_before, self._read, self._is_counting = self._read, 0, False
        for _ in range(min(limits.MAX_READ, len(self._standing_by))):
            self._standing_by.popleft().go_on()
        if self._standing_by:
            self._is_counting = True
            asyncio.get_running_loop().call_soon(self._next_turn)
