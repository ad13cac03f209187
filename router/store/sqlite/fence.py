"""What a commit of a unit compares before it stores anything."""

from __future__ import annotations

from dataclasses import dataclass

from router.store.rows import Unit


@dataclass
class Fence:
    """One owner's place in the history of a unit. `step` follows what was stored."""

    unit: Unit
    epoch: int  #: how often the unit was taken over from an owner
    step: int  #: how many commits it has had
