"""The lanes that may have a turn to take, in three lines: live, retry, release."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from router.deliver.lanes.lane import Lane
from router.vocabulary import Line


class RunQueue:
    """Each lane stands in it once, in the order in which it asked for a turn."""

    def __init__(self, wake: Callable[[], None]) -> None:
        self._lines: dict[Line, deque[Lane]] = {line: deque() for line in Line}
        self.wake = wake  #: let the worker's loop look again

    def __len__(self) -> int:
        return sum(map(len, self._lines.values()))

    def has(self, line: Line) -> bool:
        """Whether a lane of this line wants a turn."""
        return bool(self._lines[line])

    def add(self, lane: Lane, *, wakes: bool = True) -> None:
        """This lane may have a turn to take. Where nobody is woken, it has it in the next round, whatever that begins for."""
        if not lane.is_queued:
            lane.is_queued = True
            self._lines[lane.line if lane.is_draining else Line.LIVE].append(lane)
        if wakes:
            self.wake()

    def take(self, line: Line, most: int) -> list[Lane]:
        """Take the first lanes of a line."""
        waiting = self._lines[line]
        lanes = [waiting.popleft() for _ in range(min(most, len(waiting)))]
        for lane in lanes:
            lane.is_queued = False
        return lanes
