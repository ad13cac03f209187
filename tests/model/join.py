"""The hand-over of an anonymousId's held events to the shard of the user it was joined to.

Shard X holds two events of the anonymousId. The call that links it is settled at shard Y. X moves the rows and says so in one commit;
Y hears it, and its lane of the user counts them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

ROWS = 2
RULES = ("moving and saying are two commits", "a lane counts the rows that it finds")
"""What is done otherwise."""


class State(NamedTuple):
    linked: bool = False  #: Y has settled the call that links
    at_x: int = ROWS  #: held rows of the anonymousId
    lane_x: int = ROWS
    at_y: int = 0  #: the same rows, of the user by now
    said: bool = False
    lane_y: int = 0  #: as stored
    heard: bool = False
    y: int | None = None  #: the lane in Y's memory
    x_is_to_say: bool = False  #: X's memory
    crashes: int = 2


class Join:
    """`broken`: what is done otherwise."""

    def __init__(self, broken: str = "") -> None:
        self.broken = broken

    def steps(self, s: State) -> Iterator[tuple[str, State]]:
        """What may happen."""
        if not s.linked:
            yield "Y settles the link", s._replace(linked=True)
        if s.linked and s.lane_x:
            moved = s._replace(at_x=0, lane_x=0, at_y=s.at_y + s.at_x)
            if self.broken == "moving and saying are two commits":
                yield "X moves the rows", moved._replace(x_is_to_say=True)
            else:
                yield "X moves the rows and says so", moved._replace(said=True)
        if s.x_is_to_say:
            yield "X says so", s._replace(said=True, x_is_to_say=False)
            if s.crashes:
                yield "X crashes", s._replace(x_is_to_say=False, crashes=s.crashes - 1)
        yield from self._y(s)

    def _y(self, s: State) -> Iterator[tuple[str, State]]:
        if s.y is None:
            counts = self.broken == "a lane counts the rows that it finds"
            yield "Y loads the lane", s._replace(y=s.at_y if counts else s.lane_y)
            return
        if s.said and not s.heard:
            yield "Y hears it", s._replace(y=s.y + ROWS, lane_y=s.y + ROWS, heard=True)
        if s.y and s.at_y:
            yield "Y sends one", s._replace(y=s.y - 1, lane_y=s.y - 1, at_y=s.at_y - 1)
        if s.crashes:
            yield "Y crashes", s._replace(y=None, crashes=s.crashes - 1)

    def wrong(self, s: State) -> str:
        """What must never be."""
        if s.heard and s.lane_y > s.at_y:
            return "an event is counted twice"
        return ""

    def goal(self, s: State) -> bool:
        """Everything is sent, and no lane says that something is left."""
        return s.at_x == s.at_y == 0 and s.lane_x == s.lane_y == 0
