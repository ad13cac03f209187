"""Who owns a unit: leases, take-overs, commits whose answer is lost, processes that freeze, are cut from the database, or die.

Two processes, two events. A process asks its claim before it sends, and writes the request a moment later: it may freeze between the
two. The lease goes from fresh to guarded (nothing new is sent) to expired (somebody else may take the unit). A standby that has fallen
behind may take the database's place: what was stored since then is gone.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

EVENTS = 2
FRESH, GUARDED, EXPIRED = "fresh", "guarded", "expired"
UP, CUT, FROZEN, DEAD = "up", "cut", "frozen", "dead"


class Owner(NamedTuple):
    """What a process knows of the unit while it serves it."""

    epoch: int
    step: int
    pos: int
    sent: str = ""  #: of the next event: "asked", or "got" by the vendor
    commit: str = ""  #: "sent", or "unknown"
    is_again: bool = False  #: the commit on its way is a second one
    slept: bool = False  #: it was frozen, or the database changed, between the question and the request


class Message(NamedTuple):
    """A commit on its way to the database."""

    epoch: int
    step: int
    pos: int


class Process(NamedTuple):
    how: str = UP
    owner: Owner | None = None
    wire: tuple[Message, ...] = ()


class Stored(NamedTuple):
    """What the standby has."""

    owned_by: int
    epoch: int
    step: int
    pos: int
    delivered: int


class State(NamedTuple):
    processes: tuple[Process, Process] = (Process(), Process())
    owned_by: int = -1
    epoch: int = 0
    step: int = 0
    pos: int = 0
    delivered: int = 0  #: the ledger's counter
    lease: str = EXPIRED
    got: frozenset[int] = frozenset()  #: events that the vendor has
    stale: int = 0  #: requests of somebody who owned the unit no more, without having been frozen
    acts: int = 1  #: freezes, cuts, deaths that are still to come
    losses: int = 1  #: answers that will be lost
    faults: int = 1  #: workers that will fail
    standby: Stored | None = None  #: one that has fallen behind
    failovers: int = 0  #: that are still to come


class Takeover:
    """`broken`: which rule is left out."""

    def __init__(self, broken: str = "") -> None:
        self.broken = broken

    def steps(self, s: State) -> Iterator[tuple[str, State]]:
        """What may happen."""
        for p in (0, 1):
            process = s.processes[p]
            yield from self._acts(s, p, process)
            if process.how in (UP, CUT) and process.owner is not None:
                yield from self._works(s, p, process, process.owner)
            if process.how == UP:
                yield from self._asks_the_database(s, p, process)
            yield from self._database(s, p, process)
        yield from self._time(s)
        yield from self._fails_over(s)

    # ------------------------------------------------------------ what happens to a process

    def _acts(self, s: State, p: int, process: Process) -> Iterator[tuple[str, State]]:
        if process.how == UP and s.acts:
            fewer = s._replace(acts=s.acts - 1)
            owner = process.owner
            sleeping = owner._replace(slept=owner.sent == "asked") if owner is not None else None
            yield f"{p} freezes", self._with(fewer, p, process._replace(how=FROZEN, owner=sleeping))
            yield f"{p} is cut", self._with(fewer, p, process._replace(how=CUT))
            yield f"{p} dies", self._with(fewer, p, Process(DEAD, None, process.wire))
        if process.how in (FROZEN, CUT):
            yield f"{p} is back", self._with(s, p, process._replace(how=UP))
        if process.how == DEAD:
            yield f"{p} starts", self._with(s, p, process._replace(how=UP))
        if process.how == UP and process.owner is not None and s.faults:
            yield f"{p}: its worker fails", self._with(s._replace(faults=s.faults - 1), p, process._replace(owner=None))

    def _time(self, s: State) -> Iterator[tuple[str, State]]:
        if s.lease == EXPIRED or s.owned_by < 0:
            return
        process = s.processes[s.owned_by]
        renews = process.how == UP and (self._serves(s, process) or self.broken == "renews what it does not serve")
        if renews:
            return
        owner = process.owner
        if s.lease == GUARDED and owner is not None and owner.sent == "asked" and process.how != FROZEN:
            return  # its request ends before the lease does
        yield "time passes", s._replace(lease=GUARDED if s.lease == FRESH else EXPIRED)

    def _fails_over(self, s: State) -> Iterator[tuple[str, State]]:
        if s.failovers and s.standby is None:
            behind = Stored(s.owned_by, s.epoch, s.step, s.pos, s.delivered)
            yield "the standby falls behind", s._replace(standby=behind)
        if s.failovers and s.standby is not None:
            a, b = (self._cut_off(process) for process in s.processes)
            back = s._replace(processes=(a, b), standby=None, failovers=s.failovers - 1)
            lease = EXPIRED if s.standby.owned_by < 0 else s.lease
            yield "the standby takes over", back._replace(**s.standby._asdict(), lease=lease)

    @staticmethod
    def _cut_off(process: Process) -> Process:
        """What was on its way to the database is lost with it."""
        owner = process.owner
        if owner is not None:
            commit = "unknown" if owner.commit == "sent" else owner.commit
            owner = owner._replace(commit=commit, slept=owner.slept or owner.sent == "asked")
        return process._replace(owner=owner, wire=())

    def _serves(self, s: State, process: Process) -> bool:
        """Whether its lease is renewed."""
        owner = process.owner
        return owner is not None and owner.epoch == s.epoch and (self._is_there(s, owner) or owner.commit != "")

    def _is_there(self, s: State, owner: Owner) -> bool:
        """Whether all is stored that it knows to be stored."""
        return s.step >= owner.step or self.broken == "renews though its commits are gone"

    # ------------------------------------------------------------ what it does

    def _works(self, s: State, p: int, process: Process, owner: Owner) -> Iterator[tuple[str, State]]:
        if not owner.sent and owner.pos < EVENTS and not owner.commit:
            mine = s.owned_by == p and s.epoch == owner.epoch
            if (mine and s.lease == FRESH) or self.broken == "sends without asking its claim":
                yield f"{p} asks", self._owns(s, p, process, owner._replace(sent="asked"))
        if owner.sent == "asked":
            is_stale = s.owned_by != p or s.epoch != owner.epoch
            to = s._replace(got=s.got | {owner.pos + 1}, stale=s.stale + (is_stale and not owner.slept))
            yield f"{p} writes", self._owns(to, p, process, owner._replace(sent="got"))

    def _asks_the_database(self, s: State, p: int, process: Process) -> Iterator[tuple[str, State]]:
        owner = process.owner
        if owner is None and s.lease == EXPIRED:
            step = 0 if self.broken == "no epoch in the compare-and-set" else s.step
            to = s._replace(owned_by=p, epoch=s.epoch + 1, step=step, lease=FRESH)
            yield f"{p} takes it", self._with(to, p, process._replace(owner=Owner(to.epoch, step, s.pos)))
        if owner is None:
            return
        if s.owned_by == p and self._serves(s, process) and s.lease != FRESH:
            yield f"{p} renews", s._replace(lease=FRESH)
        if not (self._serves(s, process) or owner.commit):
            yield f"{p} hears that it lost it", self._with(s, p, process._replace(owner=None))
        if owner.sent == "got" and not owner.commit:
            yield f"{p} commits", self._send(s, p, process, owner._replace(commit="sent"))
        if owner.commit == "unknown":
            yield from self._settle(s, p, process, owner)

    def _settle(self, s: State, p: int, process: Process, owner: Owner) -> Iterator[tuple[str, State]]:
        """A commit whose answer was lost."""
        again = owner._replace(commit="sent", is_again=True)
        if self.broken in ("retries blindly", "a position is the fence"):
            if len(process.wire) < 2:
                yield f"{p} sends it again", self._send(s, p, process, again)
        elif s.epoch != owner.epoch:
            yield f"{p} finds it lost", self._with(s, p, process._replace(owner=None))
        elif s.step == owner.step + 1:
            yield f"{p} finds it stored", self._owns(s, p, process, self._on(owner))
        elif len(process.wire) < 2:
            yield f"{p} sends it again", self._send(s, p, process, again)

    # ------------------------------------------------------------ the database

    def _database(self, s: State, p: int, process: Process) -> Iterator[tuple[str, State]]:
        if not process.wire:
            return
        message, rest = process.wire[0], process.wire[1:]
        fits = self._fits(s, message)
        stored = self._store(s, message) if fits else s
        after = process._replace(wire=rest)
        owner = process.owner
        is_waited_for = owner is not None and owner.commit == "sent" and len(process.wire) == 1
        if not is_waited_for or owner is None:
            yield f"{p}: a commit that nobody waits for", self._with(stored, p, after)
            return
        if process.how in (UP, FROZEN):
            yield f"{p}: answered", self._with(stored, p, after._replace(owner=self._told(s, owner, fits=fits)))
        if s.losses or process.how == CUT:
            lost = owner._replace(commit="unknown")
            fewer = s.losses - (process.how != CUT)
            yield f"{p}: the answer is lost", self._with(stored._replace(losses=fewer), p, after._replace(owner=lost))
            yield f"{p}: it never arrives", self._with(s._replace(losses=fewer), p, after._replace(owner=lost))
            still = process._replace(owner=lost)  # the server works on when the connection is gone
            yield f"{p}: the connection is lost", self._with(s._replace(losses=fewer), p, still)

    def _told(self, s: State, owner: Owner, *, fits: bool) -> Owner | None:
        if fits:
            return self._on(owner)
        if owner.is_again and owner.epoch == s.epoch and s.step == owner.step + 1:
            return self._on(owner)  # the first one was stored while the second one waited for the lock of the row
        return None

    def _fits(self, s: State, message: Message) -> bool:
        if self.broken == "a position is the fence":
            return message.pos >= s.pos
        if self.broken == "retries blindly":  # there is no step number
            return message.epoch == s.epoch
        if self.broken == "no epoch in the compare-and-set":  # a new owner counts its steps anew
            return message.step == s.step
        return (message.epoch, message.step) == (s.epoch, s.step)

    @staticmethod
    def _store(s: State, message: Message) -> State:
        return s._replace(step=s.step + 1, pos=max(s.pos, message.pos), delivered=s.delivered + 1)

    @staticmethod
    def _on(owner: Owner) -> Owner:
        return Owner(owner.epoch, owner.step + 1, owner.pos + 1)

    def _send(self, s: State, p: int, process: Process, owner: Owner) -> State:
        message = Message(owner.epoch, owner.step, owner.pos + 1)
        return self._with(s, p, process._replace(owner=owner, wire=(*process.wire, message)))

    def _owns(self, s: State, p: int, process: Process, owner: Owner) -> State:
        return self._with(s, p, process._replace(owner=owner))

    @staticmethod
    def _with(s: State, p: int, process: Process) -> State:
        both = list(s.processes)
        both[p] = process
        return s._replace(processes=(both[0], both[1]))

    # ------------------------------------------------------------ what must hold

    def wrong(self, s: State) -> str:
        """What must never be."""
        if s.delivered != s.pos:
            return "an event is counted twice"
        if s.delivered > len(s.got):
            return "an event is settled that the vendor never got"
        if s.stale:
            return "sent beside another owner"
        return ""

    def goal(self, s: State) -> bool:
        """All events are settled."""
        return s.pos == EVENTS
