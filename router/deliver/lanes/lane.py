"""A lane: one object per busy or blocked user of a destination, and the only truth about that user there.

Rows are its image. Its state changes by the methods under "transitions" and by nothing else; docs/lifecycle.md has the drawing.
"""

from __future__ import annotations

from collections import deque

import msgspec

from router.deliver.lanes.delivery import Delivery
from router.store import CommitBatch, LaneRow
from router.vocabulary import LaneMode, LaneState, Line, Queue

FREE, HOLDING, BLOCKED, DRAINING = LaneState.FREE, LaneState.HOLDING, LaneState.BLOCKED, LaneState.DRAINING
"""An enumeration that is asked for a member takes four times as long as a name of a module."""
MAX_WAITING, MAX_WAITING_BYTES = 64, 1_000_000
"""What one user may have in memory, read from the log and without a row. Beyond it the user's events get rows."""


class Wait(msgspec.Struct, frozen=True):
    """What the first held event of a lane waits for. Without keys its gate is to be asked again."""

    keys: tuple[str, ...] = ()  #: each will do: a user key, "c:<position>" of a group call, or "g:<group>"
    reason: str = ""
    group_id: str = ""
    refused_pos: int = 0  #: the group call that the vendor refused, where that is why it waits


NOTHING = Wait()


class ParkedQueue:
    """One of the two queues of a lane: how many rows it has, and those read ahead while the lane drains."""

    __slots__ = ("buffer", "count", "read_upto")

    def __init__(self) -> None:
        self.count = 0  #: rows, written or about to be
        self.buffer: deque[Delivery] = deque()
        self.read_upto = -1  #: order key of the last row taken out of the queue

    def rewind(self, order_key: int) -> None:
        """The row at this place is to be read again, or was put there just now."""
        self.read_upto = min(self.read_upto, order_key - 1)
        self.buffer.clear()

    def take(self) -> Delivery:
        """Take the first row that was read ahead."""
        delivery = self.buffer.popleft()
        self.read_upto = delivery.order_key
        return delivery


class Lane:
    """One user of one destination."""

    __slots__ = (
        "attempts",
        "blocked_until_commit",
        "current",
        "deferred",
        "due_at",
        "first_held",
        "held",
        "held_since",
        "is_at_bound",
        "is_loaded",
        "is_migrating",
        "is_queued",
        "is_stored",
        "key",
        "line",
        "linking",
        "lookahead",
        "main",
        "pins",
        "state",
        "uncommitted",
        "wait",
        "waiting",
        "waiting_bytes",
    )  # fmt: skip

    def __init__(self, key: str, *, is_loaded: bool) -> None:
        self.key = key
        self.is_loaded = is_loaded  #: False: a row may exist that was not read yet
        self.state = FREE
        self.line = Line.LIVE
        self.current: Delivery | None = None  #: the event in flight
        self.waiting: deque[Delivery] = deque()  #: read from the log, no turn yet, no row
        self.waiting_bytes = 0
        self.held, self.main = ParkedQueue(), ParkedQueue()
        self.wait = NOTHING
        self.held_since = 0  #: when the event that is held for the longest was held (ms)
        self.first_held = 0  #: order key of the event that `wait` belongs to
        self.due_at: int | None = None
        self.attempts = 0
        self.is_at_bound = False  #: more stands behind the event that is tried again than may: it is to be given up
        self.deferred: set[int] = set()  #: positions whose record waits for an earlier event of their state key
        self.linking: list[Lane] = []  #: lanes whose linking call waits for what is in flight here
        self.lookahead = 1  #: how many of its events are prepared for its next turn
        self.pins = 0  #: the loop works with this object over an await; it must stay the only one
        self.is_queued = False  #: stands in the run queue
        self.is_stored = False  #: a row exists, or is about to
        self.uncommitted = 0  #: commits on their way that carry this lane
        self.blocked_until_commit: CommitBatch | None = None  #: its rows change in bulk with this commit
        self.is_migrating = False  #: what it holds moves away with that commit: no turn before it is stored

    # ------------------------------------------------------------ questions

    @property
    def is_draining(self) -> bool:
        """Whether its parked events go out now."""
        return self.state is DRAINING

    @property
    def is_overflowing(self) -> bool:
        """Whether it has more events in memory than one user may have."""
        return len(self.waiting) > MAX_WAITING or self.waiting_bytes > MAX_WAITING_BYTES

    @property
    def awaits_answer(self) -> bool:
        """Whether none of its events has a turn before the one in flight is done, which asks for that turn."""
        return self.current is not None and not (self.must_park or self.is_overflowing)

    @property
    def must_park(self) -> bool:
        """Whether new events park: an attempt is awaited, or parked ones go first."""
        return self.state in (BLOCKED, DRAINING) or self.main.count > 0

    @property
    def rows(self) -> int:
        """Parked rows, written or about to be."""
        return self.held.count + self.main.count

    @property
    def is_idle(self) -> bool:
        """Whether nothing in memory hangs on this object: its row, if any, says it all."""
        if self.pins or self.deferred or (self.state is BLOCKED and not self.is_stored):
            return False  # not stored: its first row waits in the unit of work
        busy = self.current or self.waiting or self.is_queued or self.uncommitted or self.is_draining or self.linking
        return not busy

    def queue(self, name: Queue) -> ParkedQueue:
        """One of its two queues."""
        return self.held if name is Queue.HELD else self.main

    def open_queues(self) -> list[Queue]:
        """The queues it takes its next parked event from: held ones unless their first gate is known to be closed."""
        queues = [Queue.MAIN] if self.main.count else []
        if self.held.count and not self.wait.keys:
            queues.insert(0, Queue.HELD)
        return queues

    def first_parked(self) -> Delivery | None:
        """The oldest parked event that may have its turn; None when it must be read first.

        The two queues are merged by order key: calls of one user keep the order of acceptance, but for those that a
        closed gate holds.
        """
        buffers = [self.queue(name).buffer for name in self.open_queues()]
        if not buffers or not all(buffers):
            return None
        if len(buffers) == 1:
            return buffers[0][0]
        return min((buffer[0] for buffer in buffers), key=lambda delivery: delivery.order_key)

    # ------------------------------------------------------------ events that come and go

    def add_waiting(self, delivery: Delivery) -> None:
        """An event was read from the log."""
        self.waiting.append(delivery)
        self.waiting_bytes += len(delivery.log_event.body)

    def take_waiting(self) -> Delivery:
        """The next event without a row takes its turn."""
        delivery = self.waiting.popleft()
        self.waiting_bytes -= len(delivery.log_event.body)
        return delivery

    def put_back(self, delivery: Delivery) -> None:
        """Its turn could not be finished: it stays the first of its user."""
        if delivery.row is not None and delivery.row.is_parked:
            self.rewind(delivery.row.queue, delivery.row.order_key)
        else:
            self.waiting.appendleft(delivery)
            self.waiting_bytes += len(delivery.log_event.body)

    def start(self, delivery: Delivery) -> None:
        """The event is in flight."""
        self.current = delivery

    def finish(self, delivery: Delivery) -> None:
        """The event is in flight no longer."""
        if self.current is delivery:
            self.current = None

    def look_further(self, most: int) -> None:
        """All that was prepared had its turn: prepare twice as much for the next one."""
        self.lookahead = min(2 * self.lookahead, most)

    def look_at_one(self) -> None:
        """Something is in flight now: prepare one event for the next turn."""
        self.lookahead = 1

    def defer(self, pos: int) -> None:
        """A record of this event waits for an earlier event of its state key."""
        self.deferred.add(pos)

    def undefer(self, pos: int) -> None:
        """That record is written."""
        self.deferred.discard(pos)

    def add_linking(self, lane: Lane) -> None:
        """The linking call of another lane waits for what is in flight here."""
        self.linking.append(lane)

    def remove_linking(self, lane: Lane) -> None:
        """That call has its turn."""
        self.linking.remove(lane)

    def rewind(self, queue: Queue, order_key: int) -> None:
        """A row at this place is to be read again, or was put there just now."""
        self.queue(queue).rewind(order_key)

    def drop_read_ahead(self) -> None:
        """There is no room to send what was read ahead: it is read again at the next turn."""
        self.held.buffer.clear()
        self.main.buffer.clear()

    def count_row(self, queue: Queue, n: int, now_ms: int = 0) -> None:
        """A row was added to a queue, or taken away."""
        self.queue(queue).count += n
        if queue is Queue.HELD and n > 0 and not self.held_since:
            self.held_since = now_ms

    # ------------------------------------------------------------ transitions

    def restore(self, row: LaneRow | None) -> bool:
        """Take over what the row says. False: the row waits for nothing and is never due; it is due now."""
        self.is_loaded = True
        if row is None:
            return True
        self.is_stored = True
        self.due_at, self.attempts = row.due_at, row.attempts
        self.held.count, self.main.count = row.held, row.main
        self.held_since, self.first_held = row.held_since, row.first_held
        keys = tuple(filter(None, (row.need, row.also)))
        self.wait = Wait(keys, row.reason, row.group_id, row.refused_pos)
        is_release = row.mode == LaneMode.WAITING
        self.state = HOLDING if is_release and not row.main else BLOCKED
        self.line = Line.RELEASE if is_release else Line.RETRY if row.attempts else Line.LIVE
        is_possible = row.due_at is not None or (bool(keys) and self.state is HOLDING)
        if not is_possible:
            self.due_at = 0
        return is_possible

    def hold(self, order_key: int, wait: Wait) -> None:
        """The held queue waits, since the gate of the event at this place is closed; the rest goes past it."""
        self.first_held, self.wait = order_key, wait
        if self.state in (FREE, HOLDING) and not self.main.count:
            self.state, self.due_at = HOLDING, None

    def ask_again(self) -> None:
        """What the held queue waits for may be there."""
        self.wait = msgspec.structs.replace(self.wait, keys=())

    def block(self, due_at: int, attempts: int, reason: str = "") -> None:
        """An attempt failed: everything of this user waits until then."""
        self.state, self.due_at, self.attempts = BLOCKED, due_at, attempts
        self.line = Line.RETRY if attempts else self.line
        if not self.held.count:
            self.wait = Wait(reason=reason)

    def drain(self, line: Line, now_ms: int) -> None:
        """Parked events go out from now on."""
        if self.state is not DRAINING:
            self.line = line
        self.state = DRAINING
        self.due_at = self.due_at or now_ms

    def end_drain(self) -> None:
        """Nothing is left to go out: the lane holds what has a closed gate, or is free."""
        self.due_at, self.attempts = None, 0
        if self.held.count:
            self.state, self.line = HOLDING, Line.LIVE
        else:
            self.free()

    def free(self) -> None:
        """The last parked row is gone."""
        self.state, self.line, self.wait = FREE, Line.LIVE, NOTHING
        self.due_at, self.attempts, self.held_since, self.is_at_bound = None, 0, 0, False
        self.held.buffer.clear()
        self.main.buffer.clear()

    def reach_bound(self) -> None:
        """More stands behind the event that is tried again than may."""
        self.is_at_bound = True

    def leave_bound(self) -> None:
        """The event that was tried again is given up."""
        self.is_at_bound = False

    def adopt_rows(self, held: int, main: int, held_since: int) -> None:
        """So many more rows were found than it counts (below 0: fewer), of which the first was held then (ms)."""
        for queue, more in ((self.held, held), (self.main, main)):
            queue.count = max(0, queue.count + more)
            queue.rewind(0)
        self.held_since = held_since if self.held.count else 0

    def forget_oldest_held(self, held_since: int) -> None:
        """Held events have expired: the oldest one that is left was held then (ms; 0: none is)."""
        self.held_since = held_since
        self.held.rewind(0)

    def adopt_held(self, other: Lane) -> None:
        """What another lane holds becomes this one's, with the commit that is being gathered."""
        if not self.held.count:  # until its gate is asked again
            self.wait = msgspec.structs.replace(other.wait, keys=self.wait.keys)
        self.held.count += other.held.count
        self.held_since = min(filter(None, (self.held_since, other.held_since)), default=0)
        other.held.count = other.held_since = 0
        other.held.buffer.clear()
        other.wait = NOTHING
        other.is_migrating = True
        self.held.rewind(0)

    # ------------------------------------------------------------ its row

    def image(self) -> LaneRow | None:
        """The row of this lane; None when it needs none."""
        if not self.rows:
            return None
        is_release = self.state is HOLDING or (self.is_draining and self.line is Line.RELEASE)
        need, also = (*self.wait.keys, "", "")[:2]
        return LaneRow(
            user_key=self.key,
            mode=LaneMode.WAITING if is_release else LaneMode.RETRY,
            need=need,
            reason=self.wait.reason,
            group_id=self.wait.group_id,
            due_at=self.due_at,
            attempts=self.attempts,
            held=self.held.count,
            main=self.main.count,
            held_since=self.held_since,
            first_held=self.first_held,
            also=also,
            refused_pos=self.wait.refused_pos,
        )

    def enter_commit(self) -> None:
        """A commit will carry it: until that is stored, this object is the only truth."""
        self.uncommitted += 1

    def write_image(self, batch: CommitBatch) -> None:
        """Put its row into the commit that carries it, or take the stored one away."""
        image = self.image()
        if image is not None or self.is_stored:
            batch.lanes[self.key] = image
        self.is_stored = image is not None

    def leave_commit(self) -> None:
        """A commit that carried it is stored."""
        self.uncommitted -= 1

    def block_until(self, batch: CommitBatch) -> None:
        """Its rows change in bulk with this commit: they are not read before it is stored."""
        self.blocked_until_commit = batch

    def unblock(self) -> None:
        """That commit is stored: its rows may be read again."""
        self.blocked_until_commit, self.is_migrating = None, False

    # ------------------------------------------------------------ how long its object lives

    def pin(self) -> None:
        """The loop works with this object over an await."""
        self.pins += 1

    def unpin(self) -> None:
        """The await is over."""
        self.pins -= 1
