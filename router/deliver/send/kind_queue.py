"""What waits for a request with items of one kind, in three lines with shares."""

from __future__ import annotations

from collections import deque

from router.deliver.lanes.delivery import Delivery
from router.vocabulary import Line

LINES = LIVE, RETRY, RELEASE = tuple(Line)
"""An enumeration that is asked for a member takes four times as long as a name of a module."""
SHARES = {LIVE: 8, RETRY: 4, RELEASE: 2}
"""Requests of each line, of 14 in a row, while all of them wait."""


class KindQueue:
    """The events that wait with items of one kind, in three lines."""

    __slots__ = ("_credit", "lines", "since")

    def __init__(self) -> None:
        self.lines: dict[Line, deque[Delivery]] = {line: deque() for line in LINES}
        self.since = 0  #: when the first of them began to wait (ms)
        self._credit = dict.fromkeys(Line, 0)

    def __len__(self) -> int:
        return sum(map(len, self.lines.values()))

    def __bool__(self) -> bool:
        return bool(self.waiting_lines())

    def waiting_lines(self) -> list[Line]:
        """The lines that wait."""
        lines = self.lines
        return [line for line in LINES if lines[line]]

    def in_turn(self, waiting: list[Line]) -> list[Line]:
        """These lines, the one whose turn it is first, which is counted (smooth weighted round robin)."""
        if len(waiting) > 1:
            for line in waiting:
                self._credit[line] += SHARES[line]
            first = max(waiting, key=lambda line: self._credit[line])
            self._credit[first] -= sum(SHARES[line] for line in waiting)
            waiting.remove(first)
            waiting.insert(0, first)
        return waiting
