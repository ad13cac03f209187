"""Trimming the log while two destinations park an old event and let go of it. The event's body stands in its block, and in `kept` once the block
is gone.

A commit asks how far the log is given up, under a lock that commits share, and stores the event itself if that is beyond it. Whoever trims
announces it, waits until nobody holds the lock, and removes the block in one transaction, with a copy of what rows refer to.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple, TypeVar

T = TypeVar("T")

IDLE, READ, ASKED, PARKED, LOOKED, GONE = "idle", "has read", "has asked", "parked", "has looked", "gone"
BEGINS, ANNOUNCED, WAITED, COLLECTED, REMOVED = "begins", "announced", "has waited", "has collected", "removed"
DESTINATIONS = (0, 1)
LOST = (
    "it does not wait for commits under way",
    "it is announced in the transaction that removes",
    "a commit reads before it has the lock",
    "it sweeps beside commits",
    "commits let go of it themselves",
)
"""What is done otherwise, so that a row loses its event."""


class State(NamedTuple):
    trimmer: str = BEGINS
    is_announced: bool = False  #: as committed
    is_logged: bool = True  #: the block is there
    is_kept: bool = False
    saw_rows: bool = False  #: what the trimmer has collected
    phase: tuple[str, str] = (IDLE, IDLE)  #: of each destination
    heard: tuple[bool, bool] = (False, False)  #: it is given up, as each has read it
    saw_other: tuple[bool, bool] = (False, False)  #: a row of the other one, as each has looked
    sweeper_saw_none: bool = False
    crashes: int = 1


class Trim:
    """`broken`: what is done otherwise."""

    def __init__(self, broken: str = "") -> None:
        self.broken = broken

    def steps(self, s: State) -> Iterator[tuple[str, State]]:
        """What may happen."""
        for d in DESTINATIONS:
            yield from self._of_destination(s, d)
        yield from self._of_trimmer(s)
        if self.broken != "commits let go of it themselves":
            yield from self._of_sweeper(s)

    def _of_destination(self, s: State, d: int) -> Iterator[tuple[str, State]]:
        heard = _put(s.heard, d, s.is_announced)
        match s.phase[d]:
            case "idle" if s.is_logged or s.is_kept:  # else there is nothing to park
                if self.broken == "a commit reads before it has the lock":
                    yield f"{d} reads", s._replace(phase=_put(s.phase, d, READ), heard=heard)
                else:
                    yield f"{d} takes the lock and reads", s._replace(phase=_put(s.phase, d, ASKED), heard=heard)
            case "idle":
                yield f"{d} parks nothing", s._replace(phase=_put(s.phase, d, GONE))
            case "has read":
                yield f"{d} takes the lock", s._replace(phase=_put(s.phase, d, ASKED))
            case "has asked":
                yield f"{d} commits", s._replace(phase=_put(s.phase, d, PARKED), is_kept=s.is_kept or s.heard[d])
            case "parked" if self.broken == "commits let go of it themselves":
                saw = _put(s.saw_other, d, s.phase[1 - d] in (PARKED, LOOKED))
                yield f"{d} looks for other rows", s._replace(phase=_put(s.phase, d, LOOKED), saw_other=saw)
            case "parked":
                yield f"{d} lets go", s._replace(phase=_put(s.phase, d, GONE))
            case "has looked":
                yield f"{d} lets go", s._replace(phase=_put(s.phase, d, GONE), is_kept=s.is_kept and s.saw_other[d])

    def _of_trimmer(self, s: State) -> Iterator[tuple[str, State]]:
        announces_late = self.broken == "it is announced in the transaction that removes"
        match s.trimmer:
            case "begins":
                yield "announces", s._replace(trimmer=ANNOUNCED, is_announced=not announces_late)
            case "announced":
                if ASKED not in s.phase or self.broken == "it does not wait for commits under way":
                    yield "has waited", s._replace(trimmer=WAITED)
            case "has waited":
                yield "collects", s._replace(trimmer=COLLECTED, saw_rows=_has_rows(s))
            case "has collected":
                kept = s.is_kept or s.saw_rows
                yield "removes", s._replace(trimmer=REMOVED, is_announced=True, is_logged=False, is_kept=kept)
        if s.crashes and s.trimmer in (WAITED, COLLECTED):
            yield "the trimmer dies", s._replace(trimmer=BEGINS, crashes=s.crashes - 1)

    def _of_sweeper(self, s: State) -> Iterator[tuple[str, State]]:
        if self.broken == "it sweeps beside commits":
            if s.is_kept and not _has_rows(s):
                yield "finds no row", s._replace(sweeper_saw_none=True)
            if s.sweeper_saw_none:
                yield "sweeps", s._replace(is_kept=False, sweeper_saw_none=False)
        elif s.is_kept and ASKED not in s.phase and not _has_rows(s):
            yield "sweeps", s._replace(is_kept=False)

    def wrong(self, s: State) -> str:
        """What must never be."""
        return "a row has lost its event" if _has_rows(s) and not (s.is_logged or s.is_kept) else ""

    def goal(self, s: State) -> bool:
        """Nobody refers to it any more, and nothing of it is left."""
        return s.phase == (GONE, GONE) and s.trimmer == REMOVED and not s.is_kept


def _has_rows(s: State) -> bool:
    return any(phase in (PARKED, LOOKED) for phase in s.phase)


def _put(pair: tuple[T, T], d: int, value: T) -> tuple[T, T]:
    return (value, pair[1]) if d == 0 else (pair[0], value)
