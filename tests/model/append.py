"""The append of the shared store: two writers, a reader that follows, a standby. Positions are handed out under the lock of the head
row, which is held until the commit can be seen; and that is when the standby has it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

IDLE, LOCKED, WAITING, DONE = "idle", "locked", "waits for the standby", "done"
WRITERS = (0, 1)


class State(NamedTuple):
    """`messages`: which message each writer appends; both have the same one where it is sent to two nodes at once."""

    phase: tuple[str, str] = (IDLE, IDLE)
    mine: tuple[int, int] = (0, 0)  #: the position of each writer's event; 0: none, -1: it is a duplicate
    seen: frozenset[int] = frozenset()  #: message ids that are claimed by a transaction or stored
    head: int = 0
    visible: frozenset[int] = frozenset()  #: positions that every reader sees
    safe: frozenset[int] = frozenset()  #: positions that the standby has
    acked: frozenset[int] = frozenset()  #: positions whose client got its 200
    read: frozenset[int] = frozenset()  #: positions that were delivered
    at: int = 0  #: the reader has read up to here
    is_away: bool = False  #: the standby
    failed_over: bool = False


class Append:
    """`broken`: which rule is left out. `same`: both writers append the same message."""

    def __init__(self, broken: str = "", *, same: bool = False) -> None:
        self.broken, self.messages = broken, (1, 1 if same else 2)

    def steps(self, s: State) -> Iterator[tuple[str, State]]:
        """What may happen."""
        if s.failed_over:
            return
        for w in WRITERS:
            yield from self._of_writer(s, w)
        above = frozenset(pos for pos in s.visible if pos > s.at)
        if above:
            yield "reads on", s._replace(read=s.read | above, at=max(above))
        if not s.is_away:
            yield "the standby goes away", s._replace(is_away=True)
        else:
            yield "the standby comes back", s._replace(is_away=False)
        yield "failover", s._replace(failed_over=True, visible=s.safe)

    def _of_writer(self, s: State, w: int) -> Iterator[tuple[str, State]]:
        message, name = self.messages[w], f"writer {w}"
        if s.phase[w] == IDLE:
            if message in s.seen:  # who has put it in is waited for
                if s.phase[1 - w] == DONE:
                    yield f"{name}: duplicate", self._to(s, w, DONE, -1)
            elif self.broken == "a sequence in place of the head row" or not self._is_held(s):
                to = s._replace(seen=s.seen | {message}, head=s.head + 1)
                yield f"{name}: takes a position", self._to(to, w, LOCKED, s.head + 1)
        if s.phase[w] == LOCKED:
            yield f"{name}: commits", self._to(s, w, WAITING, s.mine[w])
        if s.phase[w] == WAITING:
            if not s.is_away:
                to = s._replace(safe=s.safe | {s.mine[w]}, visible=s.visible | {s.mine[w]}, acked=s.acked | {s.mine[w]})
                yield f"{name}: is stored", self._to(to, w, DONE, s.mine[w])
            elif self.broken == "a write is given up by a cancel":
                to = s._replace(visible=s.visible | {s.mine[w]})
                yield f"{name}: is cancelled", self._to(to, w, DONE, s.mine[w])

    def _is_held(self, s: State) -> bool:
        return any(phase in (LOCKED, WAITING) for phase in s.phase)

    @staticmethod
    def _to(s: State, w: int, phase: str, pos: int) -> State:
        phases, mine = list(s.phase), list(s.mine)
        phases[w], mine[w] = phase, pos
        return s._replace(phase=(phases[0], phases[1]), mine=(mine[0], mine[1]))

    def wrong(self, s: State) -> str:
        """What must never be."""
        if any(pos <= s.at and pos not in s.read for pos in s.visible):
            return "a reader has passed an event"
        if s.failed_over and not s.acked <= s.visible:
            return "an acknowledged event is lost"
        if s.failed_over and not s.read <= s.visible:
            return "a delivered event is not in the log"
        if self.messages[0] == self.messages[1] and len(s.visible) > 1:
            return "a message is stored twice"
        return ""

    def goal(self, s: State) -> bool:
        """Both are done, and what they stored was read; a failover ends the story."""
        return s.failed_over or (s.phase == (DONE, DONE) and s.visible == s.read)
