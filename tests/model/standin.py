"""A call of one shard stands in for a dead one of another: why a shard with such rows hears its siblings' group calls, and why a new
owner is told them again.

Shard A has a group call that the vendor refuses for good; shard B has a later one that tells the same, and a track that waits for A's.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

RULES = ("a shard with rows does not hear group calls", "a new owner is not told again what was heard")
"""What may be left out."""


class A(NamedTuple):
    """A's memory. `told`: that B's call tells what its own would have told."""

    told: bool
    is_refused: bool = False  #: its own call, not committed
    heard: bool = False  #: of B's call, to be stored
    shrinks: bool = False  #: its row goes with the next commit


class State(NamedTuple):
    passed: bool = False  #: A's cursor is behind its call
    has_row: bool = False  #: A's call, which is missing
    said: tuple[str, ...] = ()
    heard: bool = False  #: A's, of B's call
    a: A | None = None
    settled: bool = False  #: B's call
    got_call: bool = False
    lane: str = "held"  #: B's track, which waits for A's call
    heard_said: int = 0  #: B's, of what A says
    got_track: bool = False
    crashes: int = 2


class StandIn:
    """`broken`: which rule is left out."""

    def __init__(self, broken: str = "") -> None:
        self.broken = broken

    def steps(self, s: State) -> Iterator[tuple[str, State]]:
        """What may happen."""
        if not s.settled:
            yield "B delivers its call and commits", s._replace(settled=True, got_call=True)
        if len(s.said) > s.heard_said:
            opens = s.said[-1] == "supplies" and s.lane == "held"
            yield "B hears A", s._replace(heard_said=len(s.said), lane="due" if opens else s.lane)
        if s.lane == "due":
            yield "B sends the track and commits", s._replace(lane="done", got_track=True)
        if s.a is None:
            told = s.heard and not s.passed and self.broken != "a new owner is not told again what was heard"
            yield "A opens", s._replace(a=A(told))
        else:
            yield from self._a(s, s.a)
            if s.crashes:
                yield "A crashes", s._replace(a=None, crashes=s.crashes - 1)

    def _a(self, s: State, a: A) -> Iterator[tuple[str, State]]:
        if not s.passed and not a.is_refused:
            yield "the vendor refuses A's call", s._replace(a=a._replace(is_refused=True))
        listens = self.broken != "a shard with rows does not hear group calls"
        if s.settled and not (s.heard or a.heard) and listens:
            yield "A hears B's call", s._replace(a=a._replace(told=True, heard=True, shrinks=s.has_row))
        if a.is_refused or a.heard:
            yield "A commits", self._committed(s, a)

    @staticmethod
    def _committed(s: State, a: A) -> State:
        to = s._replace(heard=s.heard or a.heard, a=A(a.told))
        if a.is_refused:
            # What another call has told is not missing: whoever waits for it hears that it need not.
            return to._replace(passed=True, has_row=not a.told, said=(*s.said, "supplies" if a.told else "fails"))
        if a.shrinks:
            return to._replace(has_row=False, said=(*s.said, "supplies"))
        return to

    def wrong(self, s: State) -> str:
        """What must never be."""
        return "sent before its group" if s.got_track and not s.got_call else ""

    def goal(self, s: State) -> bool:
        """The track is delivered."""
        return s.lane == "done"
