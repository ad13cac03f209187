"""A gate whose group call belongs to another shard: hearing, as it is specified for a later release (decision 15).

Shard A has a gated track, shard B the group call that it waits for. B settles the call, after a failed attempt perhaps, and commits. A
looks at what B has committed, hears it, and opens its lane. Each side may crash at any step.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

NO, HELD, DUE, DONE = "no row", "held", "due", "done"
KNOWS, IGNORANT = "knows", "ignorant"

RULES = (
    "position and rows come from two snapshots",
    "what is heard is committed before the lanes it opens",
    "an opened lane is due in memory only",
    "the gate is asked before the first look",
    "a look is heard between the directory and the turn",
    "a retry that succeeds is not said",
    "B opens the lanes of A",
)
"""What may be left out of the protocol. The last one is a protocol of its own: B changes A's rows."""


class Look(NamedTuple):
    """What A has read of B: it has passed the call, the call has a row (it does not supply), how much B has said."""

    passed: bool
    has_row: bool
    said: int


class A(NamedTuple):
    """A's memory. `lane`: as it will be stored next."""

    lane: str
    view: Look
    has_looked: bool = False
    look: Look | None = None  #: read, and not heard yet
    half: bool | None = None  #: the first half of a look in two snapshots: whether there was a row
    prepared: str = ""  #: the directory was read for the track: it knows of the call, or not
    heard: Look | None = None  #: to be stored


class State(NamedTuple):
    accepted: bool
    passed: bool = False  #: B's cursor is behind the call
    has_row: bool = False
    said: tuple[str, ...] = ()
    b: str = "idle"  #: B's memory: idle, "ok" or "failed" (not committed)
    fails: int = 1
    lane: str = NO  #: A's row of the track
    heard: Look = Look(False, False, 0)
    a: A | None = None
    got_call: bool = False
    got_track: bool = False
    crashes: int = 2


class Gate:
    """`broken`: which rule is left out. `call_first`: the call is accepted before the track, so that the directory knows it."""

    def __init__(self, broken: str = "", *, call_first: bool = True) -> None:
        self.broken, self.call_first = broken, call_first
        self.pushes = broken == "B opens the lanes of A"

    @property
    def first(self) -> State:
        """Nothing has happened."""
        return State(accepted=self.call_first)

    def steps(self, s: State) -> Iterator[tuple[str, State]]:
        """What may happen."""
        if not s.accepted:
            yield "the call is accepted", s._replace(accepted=True)
        yield from self._b(s)
        if s.a is None:
            memory = A(s.lane, Look(False, False, 0))
            yield "A opens", s._replace(a=memory)
        else:
            yield from self._looks(s, s.a)
            yield from self._hears(s, s.a)
            yield from self._takes_turns(s, s.a)
            yield from self._commits(s, s.a)
            if s.crashes:
                yield "A crashes", s._replace(a=None, crashes=s.crashes - 1)

    # ------------------------------------------------------------ the shard of the group call

    def _b(self, s: State) -> Iterator[tuple[str, State]]:
        if s.b == "idle" and s.accepted and (not s.passed or s.has_row):
            yield "the vendor takes the call", s._replace(b="ok", got_call=True)
            if s.fails and not s.passed:
                yield "the vendor does not take the call", s._replace(b="failed", fails=s.fails - 1)
        if s.b == "failed":
            yield "B commits a failure", s._replace(b="idle", passed=True, has_row=True, said=(*s.said, "fails"))
        if s.b == "ok":
            says = s.has_row and self.broken != "a retry that succeeds is not said"
            to = s._replace(b="idle", passed=True, has_row=False, said=(*s.said, "supplies") if says else s.said)
            if self.pushes and s.lane == HELD:
                to = to._replace(lane=DUE, a=to.a._replace(lane=DUE) if to.a is not None else None)
            yield "B commits a success", to
        if s.b != "idle" and s.crashes:
            yield "B crashes", s._replace(b="idle", crashes=s.crashes - 1)

    # ------------------------------------------------------------ the shard of the track

    def _looks(self, s: State, a: A) -> Iterator[tuple[str, State]]:
        if self.pushes or a.look is not None:
            return
        if self.broken == "position and rows come from two snapshots":
            if a.half is None:
                yield "A looks at the rows", s._replace(a=a._replace(half=s.has_row))
            else:
                look = Look(s.passed, a.half, len(s.said))
                yield "A looks at the position", s._replace(a=self._seen(a._replace(half=None), look))
        elif Look(s.passed, s.has_row, len(s.said)) != a.view or not a.has_looked:
            yield "A looks", s._replace(a=self._seen(a, Look(s.passed, s.has_row, len(s.said))))

    @staticmethod
    def _seen(a: A, look: Look) -> A:
        """The first look of an owner is its view at once: it has nothing from before."""
        return a._replace(look=look, view=a.view if a.has_looked else look, has_looked=True)

    def _hears(self, s: State, a: A) -> Iterator[tuple[str, State]]:
        look = a.look
        if look is None or (a.prepared and self.broken != "a look is heard between the directory and the turn"):
            return
        heard = a.heard or s.heard
        settled = look.passed and not heard.passed and not look.has_row
        supplies = "supplies" in s.said[heard.said : look.said]
        lane = DUE if a.lane == HELD and (settled or supplies) else a.lane
        yield "A hears", s._replace(a=a._replace(lane=lane, look=None, view=look, heard=look))

    def _takes_turns(self, s: State, a: A) -> Iterator[tuple[str, State]]:
        may_ask = a.has_looked or self.pushes or self.broken == "the gate is asked before the first look"
        if not a.prepared and a.lane in (NO, DUE) and may_ask:
            view = Look(s.passed, s.has_row, 0) if self.pushes else a.view
            to = a._replace(prepared=KNOWS if s.accepted else IGNORANT, view=view)
            yield "A reads the directory", s._replace(a=to)
        if a.prepared:
            supplied = a.prepared == KNOWS and a.view.passed and not a.view.has_row
            done = a._replace(prepared="", lane=DONE if supplied else HELD)
            yield "A takes the turn", s._replace(a=done, got_track=s.got_track or supplied)

    def _commits(self, s: State, a: A) -> Iterator[tuple[str, State]]:
        heard = a.heard or s.heard
        lane = a.lane
        if lane == DUE and self.broken == "an opened lane is due in memory only":
            lane = s.lane
        if (lane, heard) == (s.lane, s.heard):
            return
        after = a._replace(heard=None)
        if self.pushes:  # A's own step must not take back what B has made due meanwhile
            lane = a.lane
        if self.broken == "what is heard is committed before the lanes it opens" and heard != s.heard:
            yield "A commits what it heard", s._replace(heard=heard, a=after)
            return
        yield "A commits", s._replace(lane=lane, heard=heard, a=after)

    # ------------------------------------------------------------ what must hold

    def wrong(self, s: State) -> str:
        """What must never be."""
        return "sent before its group" if s.got_track and not s.got_call else ""

    def goal(self, s: State) -> bool:
        """The track is delivered, and that is stored."""
        return s.lane == DONE
