"""The book of one destination: what its next commit will say. Every change of state goes through here, and only here.

What an event did to keyed state must not be stored before what an earlier-mapped event did to the same key. So the records
of events that share a state key wait here for each other, in the order of their mapping (a bare "write when settled" left
wrong state after a crash in most simulated runs).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

import msgspec

from router.clock import Clock
from router.deliver.lanes import Entry, Lane
from router.store import (
    HELD,
    PLACES,
    AttemptRow,
    CursorRow,
    DeadRow,
    Late,
    ParkedRow,
    ReplayRow,
    Status,
    Step,
    SupplyRow,
)

STEP_EVENTS, STEP_BYTES = 500, 1_000_000

_encode = msgspec.json.encode


class Book:
    """Gathers one Step after the other."""

    def __init__(self, destination: str, cursor: CursorRow, clock: Clock, wake: Callable[[], None]) -> None:
        self.pos = cursor.pos  #: every event at or below it is settled or has a row
        self.done: set[int] = set(cursor.ahead)  #: positions above `pos` of which the same is true
        self.held = cursor.held  #: held events, written or about to be
        self.parked_bytes = cursor.parked_bytes  #: bodies of parked events, written or about to be
        self.letters, self.letter_bytes = cursor.letters, cursor.letter_bytes  #: dead letters that are kept
        self.start = cursor.start  #: events at or below it were accepted before this destination began
        self.read_pos = cursor.pos  #: how far the log was read
        self.read_at = 0  #: when the event that was read last had been accepted (ms)
        self.last_place = 0  #: the highest place given out below
        self.window: dict[int, Entry] = {}  #: read from the log, neither settled nor parked
        self.window_bytes = 0
        self._storing: Step | None = None
        self._fenced: list[Lane] = []
        self._destination, self._clock, self._wake = destination, clock, wake
        self._step = Step(destination)
        self._touched: set[Lane] = set()
        self._bytes = self._records = 0
        self._chains: dict[str, deque[Entry]] = {}

    def enter(self, entry: Entry) -> None:
        """An event was read from the log."""
        self.window[entry.pos] = entry
        self.window_bytes += len(entry.row.body)

    def next_place(self) -> int:
        """A place behind everything read so far, and before what comes, for what a timer returns or a replay feeds."""
        self.last_place = max(self.read_pos * PLACES, self.last_place) + 1
        return self.last_place

    # ------------------------------------------------------------ what became of an event

    def settle(self, entry: Entry, state: str, reason: str) -> None:
        """Delivered, skipped or filtered."""

        def write() -> None:
            self._finish(entry, state, reason)
            if entry.counted:
                self._count(state, 1)
                if state == "delivered" and reason == "dry_run":
                    self._count("dry_run", 1)
            elif entry.origin and state == "delivered":
                self._count("replayed", 1)

        self._record(entry, write)

    def bury(self, entry: Entry, reason: str, detail: str) -> None:
        """A dead letter, kept for replay. Of a second sending none is kept: the event has its state."""

        def write() -> None:
            self._finish(entry, "dead", reason)
            if entry.origin:
                return
            row = entry.row
            items = _encode(entry.items) if entry.items else None
            letter = DeadRow(
                entry.pos, self._clock.now_ms(), entry.lane.key, reason, detail[:4000], row.received_at, row.source,
                row.type, row.message_id, entry.linked, row.body, items, entry.made_by, entry.attempts,
            )  # fmt: skip
            self._step.dead.append(letter)
            self._count_letter(letter.size, +1)
            if entry.counted:
                self._count("dead", 1)

        self._record(entry, write)

    def unbury(self, pos: int, size: int) -> None:
        """A dead letter goes: it is replayed, dropped by hand, or too old. Its event stays dead unless it is parked again."""
        self._step.undead.add(pos)
        self._count_letter(size, -1)
        self._changed()

    def revive(self, pos: int, size: int) -> None:
        """A dead letter's event is dead no longer."""
        self.unbury(pos, size)
        if pos > 0:
            self._count("dead", -1)

    def replay(self, job: ReplayRow) -> None:
        """How far the replay is."""
        self._step.replay = msgspec.structs.replace(job)
        self._changed()

    def park(self, entry: Entry, state: str, reason: str, queue: str | None = None) -> None:
        """Give the event a row, or bring its row up to date (also into the other queue)."""

        def write() -> None:
            self._write_row(entry, state, reason, queue or entry.queue)

        self._record(entry, write)

    def attempt(self, row: AttemptRow) -> None:
        """A try to send, kept for `why`."""
        self._step.attempts.append(row)
        self._changed()

    def chain(self, entry: Entry, state_key: str, changes: list[Callable[[], None]]) -> None:
        """The event was mapped with this state key: what it changed is written with its first record, and its records
        keep the order of mapping."""
        entry.chained = state_key
        self._chains.setdefault(state_key, deque()).append(entry)
        entry.changes = changes

    def is_open(self, state_key: str) -> bool:
        """Whether changes to this state key or its timer are not stored yet."""
        return state_key in self._chains or any(
            state_key in step.state or state_key in step.timers for step in self.unstored()
        )

    # ------------------------------------------------------------ what changes beside it

    def touch(self, lane: Lane) -> None:
        """The lane's row must follow."""
        if lane not in self._touched:
            self._touched.add(lane)
            lane.uncommitted += 1  # from now on until its commit is done, this object is the only truth
        self._changed()

    def supply(self, rows: dict[int, SupplyRow | None]) -> None:
        """Group calls that do, or do no longer, supply here."""
        self._step.supplies.update(rows)

    def open(self, need: str, after: str = "") -> bool:
        """Lanes waiting for this, behind the last one done, become due with the commit. False: it opens them already."""
        opened = self._step.opened
        added = need not in opened
        opened[need] = min(after, opened.get(need, after))  # what began to wait anew may stand before the last one done
        self._changed()
        return added

    def give(self, lane: Lane, group: str) -> None:
        """An operator releases what the lane holds with this group (JSON)."""
        self._step.given.append((lane.key, group))
        lane.rewind(HELD, 0)
        self.fence(lane)

    def move(self, source: Lane, target: Lane, linked: str) -> None:
        """What the anonymous lane holds joins the held queue of its user."""
        self._step.moves.append((source.key, target.key, linked))
        if not target.held:  # until its gate is asked again; what it may have had was the reason of a retry
            target.reason, target.group_id = source.reason, source.group_id
        target.held += source.held
        target.held_since = min(filter(None, (target.held_since, source.held_since)), default=0)
        source.held = source.held_since = 0
        target.rewind(HELD, 0)
        source.buffers[HELD].clear()
        source.frozen = True
        self.fence(source)
        self.fence(target)
        self.touch(source)
        self.touch(target)

    def timer(self, key: str, timer: tuple[int, str] | None) -> None:
        """Set or clear the timer of a state key."""
        self._step.timers[key] = timer
        self._changed()

    def remember(self, key: str, value: bytes | None) -> None:
        """Put the value of a state key, as JSON; None removes it."""
        self._step.state[key] = value
        self._changed()

    def status(self, status: Status) -> None:
        """The destination pauses, or goes on."""
        self._step.status = status
        self._changed()

    # ------------------------------------------------------------ the commit

    @property
    def full(self) -> bool:
        """As much as one commit may carry."""
        return self._records >= STEP_EVENTS or self._bytes >= STEP_BYTES

    @property
    def is_storing(self) -> bool:
        """A commit is on its way."""
        return self._storing is not None

    @property
    def empty(self) -> bool:
        """Nothing to commit."""
        return self._records == 0

    def advance(self) -> int:
        """Move the cursor over what is done; returns how many positions are done ahead of it."""
        while self.pos + 1 in self.done:
            self.pos += 1
            self.done.discard(self.pos)
        return len(self.done)

    def take(self) -> tuple[Step, list[Lane]]:
        """Close the step, with the lanes whose rows it carries, and begin the next one."""
        self.advance()
        step, lanes = self._step, list(self._touched)
        step.pos, step.ahead, step.at = self.pos, frozenset(self.done), self._clock.now_ms()
        for lane in lanes:
            image = lane.image()
            if image is not None or lane.stored:
                step.lanes[lane.key] = image
            lane.stored = image is not None
        self._storing, self._step, self._touched = step, Step(self._destination), set()
        self._bytes = self._records = 0
        return step, lanes

    def stored(self) -> None:
        """The step that was taken last is durable."""
        for lane in self._fenced:
            if lane.fence is self._storing:
                lane.fence, lane.frozen = None, False
        self._fenced = [lane for lane in self._fenced if lane.fence is not None]
        self._storing = None

    def unstored(self) -> list[Step]:
        """Steps that a snapshot of the store may not show yet, oldest first."""
        return [step for step in (self._storing, self._step) if step is not None]

    def taken_up(self) -> set[int]:
        """Positions whose dead letter goes, or which are parked (also to be sent a second time), in steps that a snapshot of
        the store may not show yet."""
        taken: set[int] = set()
        for step in self.unstored():
            taken |= step.undead | {row.origin or pos for pos, row in step.park.items()}
        return taken

    # ------------------------------------------------------------ inside

    def _record(self, entry: Entry, write: Callable[[], None]) -> None:
        if entry.chained is None:
            write()
            return
        entry.deferred.append(write)
        key = entry.chained
        chain = self._chains[key]
        while chain and chain[0].deferred:
            first = chain.popleft()
            first.chained = None
            for write_one in (*first.changes, *first.deferred):
                write_one()
            first.changes, first.deferred = [], []
            if first is not entry:
                first.lane.deferred.discard(first.pos)
                self.touch(first.lane)
        if entry.deferred:  # until it is written its lane stays in memory, and sends nothing that is parked
            entry.lane.deferred.add(entry.pos)
        if not chain:
            del self._chains[key]

    def _finish(self, entry: Entry, state: str, reason: str) -> None:
        """The event leaves the window, or its row goes."""
        if not entry.parked and not entry.counted:
            self._outcome_of_parked(entry, state, reason)
        elif not entry.parked:
            self._step.settled[entry.pos] = (state, reason)
            self._leave_window(entry.pos)
        else:
            if self._step.park.pop(entry.pos, None) is None:
                self._step.repark.pop(entry.pos, None)
                self._step.unpark.append(entry.pos)
            self._outcome_of_parked(entry, state, reason)
            self._count_row(entry, entry.state, -1)
            self._count_bytes(-len(entry.row.body))
            _count_in_lane(entry.lane, entry.queue, -1)
            self.touch(entry.lane)
        entry.parked = False
        self._changed()

    def _outcome_of_parked(self, entry: Entry, state: str, reason: str) -> None:
        """A second sending changes nothing of what an event came to, unless it came before this destination began."""
        if entry.origin and entry.origin > self.start:
            return
        self._step.late.append(Late(entry.as_of, entry.row.source, entry.row.message_id, state, reason))

    def _write_row(self, entry: Entry, state: str, reason: str, queue: str) -> None:
        row, lane = entry.row, entry.lane
        if entry.parked:
            self._count_row(entry, entry.state, -1)
            _count_in_lane(lane, entry.queue, -1)
        entry.queue, entry.state = queue, state
        items = _encode(entry.items) if entry.items is not None else None
        image = ParkedRow(
            entry.pos, lane.key, entry.queue, entry.place, state, reason, self._clock.now_ms(), row.received_at, row.source,
            row.type, row.message_id, entry.linked, entry.given, row.body, items, entry.made_by, entry.attempts,
            entry.first_at, entry.origin,
        )  # fmt: skip
        if entry.parked:
            target = self._step.park if entry.pos in self._step.park else self._step.repark
            target[entry.pos] = image
        else:
            entry.parked = True
            self._step.park[entry.pos] = image
            self._bytes += len(row.body)
            self._count_bytes(len(row.body))
            self._leave_window(entry.pos)
        self._count_row(entry, state, +1)
        _count_in_lane(lane, queue, +1)
        if queue == HELD:
            lane.held_since = lane.held_since or self._clock.now_ms()
        self.touch(lane)

    def _leave_window(self, pos: int) -> None:
        entry = self.window.pop(pos, None)
        if entry is not None:
            self.window_bytes -= len(entry.row.body)
            self.done.add(pos)

    def _count_row(self, entry: Entry, state: str, n: int) -> None:
        """Held and retrying rows are counted; queued is what is left of the accepted events."""
        if state == "held":
            self.held += n
        if entry.counted and state in ("held", "retrying"):
            self._count(state, n)

    def _count_bytes(self, n: int) -> None:
        self.parked_bytes += n
        self._count("parked_bytes", n)

    def _count_letter(self, size: int, n: int) -> None:
        self.letters += n
        self.letter_bytes += n * size
        self._count("letters", n)
        self._count("letter_bytes", n * size)

    def fence(self, lane: Lane) -> None:
        """Read the lane's rows again only when the present step is stored."""
        lane.fence = self._step
        self._fenced.append(lane)
        self._changed()

    def _count(self, name: str, n: int) -> None:
        self._step.count(name, n)

    def _changed(self) -> None:
        self._records += 1
        self._wake()


def _count_in_lane(lane: Lane, queue: str, n: int) -> None:
    if queue == HELD:
        lane.held += n
    else:
        lane.main += n
