"""What a commit of a unit compares before it stores anything, and what a commit without an answer came to."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from router.store.rows import Unit
from router.store.shards import WHOLE, Share


class Came(Enum):
    """What became of a commit whose answer was lost."""

    STORED = "stored"  #: it is there; the next one follows
    NOT_STORED = "not stored"  #: it can be sent again as it is
    LOST = "lost"  #: somebody else has the unit


@dataclass
class Fence:
    """One owner's place in the history of a unit. `step` follows what was stored."""

    unit: Unit
    epoch: int  #: how often the unit was taken over from an owner
    step: int  #: how many commits it has had
    share: Share = WHOLE  #: of the destination's events

    def came_to(self, epoch: int, step: int) -> Came:
        """What became of the one commit that is on its way, by the stored epoch and step. A position cannot tell that: what has a row
        is settled without moving it. A stored step below ours is a store that went back in time: what we remember of it is not there."""
        if epoch != self.epoch or not self.step <= step <= self.step + 1:
            return Came.LOST
        return Came.NOT_STORED if step == self.step else Came.STORED
