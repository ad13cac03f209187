"""What the next commit of one destination will say. Every change of state goes through here, and only here.

What an event did to keyed state must not be stored before what an earlier-mapped event did to the same key. So the records
of events that share a state key wait here for each other, in the order of their mapping (a bare "write when settled" left
wrong state after a crash in most simulated runs).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import msgspec

from router.clock import Clock
from router.deliver.commit.records import Bury, Outcome, Park, Record, Settle, letter_of, parked_row_of
from router.deliver.commit.state_order import StateChanges, StateOrder
from router.deliver.commit.window import Window
from router.deliver.lanes.delivery import Delivery
from router.deliver.lanes.lane import Lane
from router.store import (
    ORDER_KEY_STEP,
    AttemptRow,
    CommitBatch,
    CursorRow,
    DeadRow,
    GroupCallRow,
    LogRow,
    ParkedOutcome,
    ReplayRow,
    Status,
    Tried,
)
from router.vocabulary import EventState, Queue

BATCH_EVENTS, BATCH_BYTES = 500, 1_000_000
"""As much as one commit may carry: records, and bytes of bodies, items, details, requests of dry runs and keyed state. What is answered while
it is full comes on top, which is no more than was on its way."""


PASSED_MS = 1_000
"""So long after events of other shards were passed over a commit tells of it that has nothing else to tell."""


class UnitOfWork(Window):
    """Gathers one CommitBatch after the other."""

    def __init__(
        self, destination: str, mapped_by: str, cursor: CursorRow, clock: Clock, wake: Callable[[], None]
    ) -> None:
        super().__init__(cursor)
        self.held = cursor.held  #: held events, written or about to be
        self.parked_bytes = cursor.parked_bytes  #: bodies of parked events, written or about to be
        self.letters, self.letter_bytes = cursor.letters, cursor.letter_bytes  #: dead letters that are kept
        self.last_order_key = 0  #: the highest one given out below
        self._destination, self._mapped_by, self._clock, self._wake = destination, mapped_by, clock, wake
        self._batch = CommitBatch(destination)
        self._storing: CommitBatch | None = None
        self._changed_lanes: set[Lane] = set()
        self._awaiting: list[Lane] = []  #: lanes whose rows are changed in bulk
        self._order = StateOrder(self._apply)
        self._bytes = self._records = 0
        self._replay: ReplayRow | None = None  #: the newest, whose events are followed up
        self._follows_up = False  #: the next commit says what has become of them
        self._settled: dict[Outcome, int] = {}  #: events by what they came to, counted when the batch is closed
        self._passed_at: int | None = None  #: ms: when events of other shards were passed over that no commit tells of

    def next_order_key(self) -> int:
        """A place behind everything read so far, and before what comes, for what a timer returns or a replay feeds. It is a position, too.
        Shard i of n gives out those that equal i modulo n, so that no two shards give out the same."""
        shard, shards = self.share
        before = max(self.read_pos * ORDER_KEY_STEP, self.last_order_key)
        self.last_order_key = (before // shards + 1) * shards + shard
        return self.last_order_key

    def pass_over(self, last: LogRow) -> None:
        """See `Window`. A commit tells of it in a while, also where nothing else is to be told: the log is kept from the cursor on."""
        super().pass_over(last)
        if self._passed_at is None:
            self._passed_at = self._clock.now_ms()

    @property
    def place_due_at(self) -> int | None:
        """When a commit is to tell of what was passed over (ms)."""
        return None if self._passed_at is None else self._passed_at + PASSED_MS

    def tell_place(self) -> None:
        """How far it is goes into a commit."""
        self._passed_at = None
        self._changed()

    # ------------------------------------------------------------ what became of an event

    def settle_live(self, positions: Sequence[int], outcome: Outcome, tried: Tried | None = None) -> None:
        """Events without a row and without keyed state have come to this. The quick way of `settle`."""
        settled, unsettled, n, size = self._batch.settled, self.unsettled, len(positions), 0
        if tried is not None and positions:  # all of them by the one that was accepted first: once for a request
            self._batch.counts.took(tried.at - unsettled[positions[0]].log_event.received_at, len(positions))
        for pos in positions:
            settled[pos] = outcome
            size += len(unsettled[pos].log_event.body)
            del unsettled[pos]
        self.unsettled_bytes -= size
        if tried is not None:
            self._batch.tried.append((tried, positions))
        self._count_settled(outcome, n)
        self._changed(n)

    def settle(self, delivery: Delivery, state: str, reason: str, tried: Tried | None = None) -> None:
        """Delivered, skipped or filtered. `tried`: the attempt that delivered it, where that has no row."""
        self._order.record(delivery, Settle(state, reason, tried))

    def bury(self, delivery: Delivery, reason: str, detail: str) -> None:
        """A dead letter, kept for replay."""
        self._order.record(delivery, Bury(reason, detail))

    def park(self, delivery: Delivery, state: EventState, reason: str, queue: Queue | None = None) -> None:
        """Give the event a row, or bring its row up to date (also into the other queue)."""
        self._order.record(delivery, Park(state, reason, queue or delivery.fields.queue))

    def changes_state(self, delivery: Delivery, changes: StateChanges) -> None:
        """The event was mapped with a state key. What it changed is written with its first record, and its records keep the
        order of mapping."""
        self._order.begin(delivery, changes)

    def has_record_waiting(self, delivery: Delivery) -> bool:
        """Whether a record of this event waits for an earlier event of the same state key."""
        return self._order.is_waiting(delivery)

    def is_state_open(self, state_key: str) -> bool:
        """Whether changes to this state key or its timer are not stored yet."""
        return self._order.is_open(state_key) or any(
            state_key in batch.state or state_key in batch.timers for batch in self.unstored()
        )

    def count_retry(self, reason: str) -> None:
        """An attempt of an event failed, and it is tried again."""
        self._batch.counts.count("retried", 1, reason)

    def attempt(self, row: AttemptRow) -> None:
        """A try to send, kept for `why`."""
        self._batch.attempts.append(row)
        self._bytes += len(row.error) + len(row.request)
        self._changed()

    # ------------------------------------------------------------ dead letters and replays

    def remove_letter(self, pos: int, size: int) -> None:
        """A dead letter goes: it is replayed, dropped by hand, or too old. Its event stays dead unless it is parked again."""
        self._batch.undead.add(pos)
        self._count_letter(size, -1)
        self._changed()

    def requeue_letter(self, letter: DeadRow) -> None:
        """A dead letter's event, or its second sending, is dead no longer."""
        self.remove_letter(letter.pos, letter.size)
        if letter.again:
            self._count(f"again_{EventState.DEAD}", -1)
        elif letter.pos > 0:
            self._count(EventState.DEAD, -1)

    def requeue_filtered(self) -> None:
        """An event that was filtered waits for its turn again."""
        self._count(EventState.FILTERED, -1)
        self._changed()

    def replay(self, job: ReplayRow) -> None:
        """How far the replay is."""
        self.follow_up(job)
        self._batch.replay = _copy(job)
        self._changed()

    def follow_up(self, job: ReplayRow | None) -> None:
        """Count what becomes of the events that this replay feeds, from now on."""
        self._replay = job

    # ------------------------------------------------------------ what changes beside it

    def mark_dirty(self, lane: Lane) -> None:
        """The lane's row must follow."""
        if lane not in self._changed_lanes:
            self._changed_lanes.add(lane)
            lane.enter_commit()
        self._changed()

    def group_calls(self, rows: dict[int, GroupCallRow | None]) -> None:
        """Group calls that do not count as settled here, or do again (None)."""
        # Copies: the rows change on while a closed batch waits for the writer's thread.
        self._batch.supplies.update({pos: row and msgspec.structs.replace(row) for pos, row in rows.items()})

    def release_waiting(self, key: str, after: str = "") -> bool:
        """Lanes waiting for this, behind the last one done, become due with the commit. False: it releases them already."""
        opened = self._batch.opened
        added = key not in opened
        opened[key] = min(after, opened.get(key, after))  # what began to wait anew may stand before the last one done
        self._changed()
        return added

    def make_retries_due(self) -> None:
        """All lanes whose retry is awaited are due with the commit."""
        self._batch.retries_due = True
        self._changed()

    @property
    def makes_retries_due(self) -> bool:
        """Whether a commit does that of which a snapshot of the store may not know."""
        return any(batch.retries_due for batch in self.unstored())

    def release_as(self, lane: Lane, group: str) -> None:
        """An operator releases what the lane holds with this group (JSON)."""
        self._batch.given.append((lane.key, group))
        lane.rewind(Queue.HELD, 0)
        self.read_after_commit(lane)

    def move_held(self, source: Lane, target: Lane, linked: str) -> None:
        """What the anonymous lane holds is written into the held queue of its user. See `LaneTable.move_held`."""
        self._batch.moves.append((source.key, target.key, linked))
        for lane in (source, target):
            self.read_after_commit(lane)
            self.mark_dirty(lane)

    def read_after_commit(self, lane: Lane) -> None:
        """Read the lane's rows again only when the present batch is stored."""
        lane.block_until(self._batch)
        self._awaiting.append(lane)
        self._changed()

    def timer(self, key: str, timer: tuple[int, str] | None) -> None:
        """Set (due in ms, user key) or clear the timer of a state key."""
        self._batch.timers[key] = timer
        self._changed()

    def remember(self, key: str, value: bytes | None) -> None:
        """Put the value of a state key, as JSON; None removes it."""
        self._batch.state[key] = value
        self._bytes += len(value or b"")
        self._changed()

    def status(self, status: Status) -> None:
        """The destination pauses, or goes on."""
        self._batch.status = status
        self._changed()

    def answer(self, command: int, answer: object, is_all: bool) -> None:
        """What a command has come to whose effect is in this commit."""
        self._batch.answers[command] = msgspec.json.encode(answer), is_all
        self._changed()

    def correct(self, changes: Mapping[str, int]) -> None:
        """Counters of the ledger differ from the rows by so much."""
        for name, n in changes.items():
            self._count(name, n)
        self.held += changes.get("held", 0)
        self.parked_bytes += changes.get("parked_bytes", 0)
        self.letters += changes.get("letters", 0)
        self.letter_bytes += changes.get("letter_bytes", 0)
        self._changed()

    # ------------------------------------------------------------ the commit

    @property
    def is_full(self) -> bool:
        """Whether it has as much as one commit may carry."""
        return self._records >= BATCH_EVENTS or self._bytes >= BATCH_BYTES

    @property
    def is_awaited(self) -> bool:
        """Whether anybody may wait for the commit: for a lane's rows, for what a group call opens, for room."""
        batch = self._batch
        return bool(
            self.is_full or self._changed_lanes or self._awaiting or batch.opened or batch.state or batch.timers
            or batch.retries_due
            or batch.dead or batch.undead or batch.replay or batch.status or batch.answers
        )  # fmt: skip

    @property
    def is_storing(self) -> bool:
        """Whether a closed batch is on its way to the disk."""
        return self._storing is not None

    @property
    def is_empty(self) -> bool:
        """Nothing to commit."""
        return self._records == 0

    def close_batch(self) -> tuple[CommitBatch, list[Lane]]:
        """The batch, with the lanes whose rows it carries; the next one begins."""
        self._count_outcomes()
        batch, lanes = self._batch, list(self._changed_lanes)
        batch.pos, batch.at = self.pos, self._clock.now_ms()
        batch.ahead = self.settled_above(batch.pos)
        if self._follows_up and self._replay is not None:
            batch.replay = _copy(self._replay)
        self._follows_up = False
        for lane in lanes:
            lane.write_image(batch)
        self._storing, self._batch, self._changed_lanes = batch, CommitBatch(self._destination), set()
        self._bytes = self._records = 0
        self._passed_at = None
        return batch, lanes

    def stored(self) -> None:
        """The batch that was closed last is durable."""
        for lane in self._awaiting:
            if lane.blocked_until_commit is self._storing:
                lane.unblock()
        self._awaiting = [lane for lane in self._awaiting if lane.blocked_until_commit is not None]
        self._storing = None

    def unstored(self) -> list[CommitBatch]:
        """Batches that a snapshot of the store may not show yet, oldest first."""
        return [batch for batch in (self._storing, self._batch) if batch is not None]

    def taken_up(self) -> set[int]:
        """Positions whose dead letter goes, or which are parked (also to be sent a second time), in batches that a snapshot
        of the store may not show yet."""
        taken: set[int] = set()
        for batch in self.unstored():
            taken |= batch.undead | {row.origin or pos for pos, row in batch.park.items()}
        return taken

    # ------------------------------------------------------------ records

    def _apply(
        self, delivery: Delivery, changes: StateChanges | None, records: list[Record], *, was_waiting: bool
    ) -> None:
        """Write what an event did to its state, and its records."""
        if changes is not None:
            for key, value in changes.values.items():
                self.remember(key, value)
            for key, timer in changes.timers.items():
                self.timer(key, timer)
        for record in records:
            match record:
                case Settle(state=state, reason=reason, tried=tried):
                    self._settle(delivery, state, reason, tried)
                case Bury(reason=reason, detail=detail):
                    self._bury(delivery, reason, detail)
                case Park(state=row_state, reason=reason, queue=queue):
                    self._park(delivery, row_state, reason, queue)
        if was_waiting and delivery.lane is not None:
            self.mark_dirty(delivery.lane)

    def _settle(self, delivery: Delivery, state: str, reason: str, tried: Tried | None) -> None:
        self._finish(delivery, state, reason, tried)
        self._count_of_replay(delivery, state, +1)
        if delivery.is_counted:
            self._count_settled((state, reason), 1)
            if state == EventState.DELIVERED and reason != "dry_run":
                at = self._clock.now_ms() if tried is None else tried.at
                self._batch.counts.took(at - delivery.log_event.received_at)
        elif delivery.origin:
            self._count("replayed" if state == EventState.DELIVERED else f"again_{state}", 1)

    def _bury(self, delivery: Delivery, reason: str, detail: str) -> None:
        self._finish(delivery, EventState.DEAD, reason)
        self._count_of_replay(delivery, EventState.DEAD, +1)
        letter = letter_of(delivery, reason, detail, self._clock.now_ms(), self._mapped_by)
        self._batch.dead.append(letter)
        self._bytes += letter.size
        self._count_letter(letter.size, +1)
        if delivery.is_counted:
            self._count_settled((EventState.DEAD, reason), 1)
        elif delivery.origin:
            self._count(f"again_{EventState.DEAD}", 1)

    def _finish(self, delivery: Delivery, state: str, reason: str, tried: Tried | None = None) -> None:
        """The event leaves the window, or its row goes."""
        row, lane = delivery.row, delivery.lane
        if row is not None and row.is_parked:
            assert lane is not None
            if self._batch.park.pop(delivery.pos, None) is None:
                self._batch.repark.pop(delivery.pos, None)
                self._batch.unpark.append(delivery.pos)
            self._keep_outcome(delivery, state, reason, tried)
            self._count_row(delivery, row.state, -1)
            self._count_parked_bytes(-len(delivery.log_event.body))
            lane.count_row(row.queue, -1)
            row.is_parked = False
            self.mark_dirty(lane)
        elif not delivery.is_counted:
            self._keep_outcome(delivery, state, reason, tried)
        else:
            self._batch.settled[delivery.pos] = (state, reason)
            if tried is not None:
                self._batch.tried.append((tried, (delivery.pos,)))
            self.leave(delivery.pos)
        self._changed()

    def _keep_outcome(self, delivery: Delivery, state: str, reason: str, tried: Tried | None) -> None:
        """A second sending changes nothing of what an event came to, unless it came before this destination began."""
        if delivery.origin > self.start:
            return
        event = delivery.log_event
        self._batch.late.append(ParkedOutcome(delivery.as_of, event.source, event.message_id, state, reason, tried))

    def _park(self, delivery: Delivery, state: EventState, reason: str, queue: Queue) -> None:
        lane, row = delivery.lane, delivery.fields
        assert lane is not None, "who parks stands in a lane"
        if row.is_parked:
            self._count_row(delivery, row.state, -1)
            lane.count_row(row.queue, -1)
        row.queue, row.state = queue, state
        now = self._clock.now_ms()
        image = parked_row_of(delivery, reason, now, self._mapped_by)
        self._bytes += len(image.items or b"")
        if row.is_parked:
            target = self._batch.park if delivery.pos in self._batch.park else self._batch.repark
            target[delivery.pos] = image
        else:
            row.is_parked = True
            self._batch.park[delivery.pos] = image
            self._bytes += len(image.body)
            self._count_parked_bytes(len(image.body))
            self.leave(delivery.pos)
        self._count_row(delivery, state, +1)
        lane.count_row(queue, +1, now)
        self.mark_dirty(lane)

    # ------------------------------------------------------------ counters

    def _count_settled(self, outcome: Outcome, n: int) -> None:
        self._settled[outcome] = self._settled.get(outcome, 0) + n

    def _count_outcomes(self) -> None:
        settled, self._settled = self._settled, {}
        for (state, reason), n in settled.items():
            self._count(state, n)
            self._batch.counts.count(state, n, reason)
            if state == EventState.DELIVERED and reason == "dry_run":
                self._count("dry_run", n)

    def _count_row(self, delivery: Delivery, state: EventState | None, n: int) -> None:
        """Held and retrying rows are counted; queued is what is left of the accepted events. Of second sendings nothing is left over, so all
        of their rows are counted."""
        if state is not None:
            self._count_of_replay(delivery, state, n)
        if state is EventState.HELD:
            self.held += n
        if delivery.is_counted and state in (EventState.HELD, EventState.RETRYING):
            self._count(state, n)
        elif delivery.origin and state is not None:
            self._count(f"again_{state}", n)

    def _count_of_replay(self, delivery: Delivery, state: str, n: int) -> None:
        job, place = self._replay, delivery.order_key
        if job is None or not job.from_place <= place <= job.upto_place or place in job.by_hand:
            return
        if delivery.pos == -place and not delivery.origin:  # a timer returned it meanwhile
            return
        job.became[state] = job.became.get(state, 0) + n
        self._follows_up = True

    def _count_parked_bytes(self, n: int) -> None:
        self.parked_bytes += n
        self._count("parked_bytes", n)

    def _count_letter(self, size: int, n: int) -> None:
        self.letters += n
        self.letter_bytes += n * size
        self._count("letters", n)
        self._count("letter_bytes", n * size)

    def _count(self, name: str, n: int) -> None:
        self._batch.count(name, n)

    def _changed(self, n: int = 1) -> None:
        self._records += n
        self._wake()


def _copy(job: ReplayRow) -> ReplayRow:
    """As it is now: it changes on while a closed batch waits for the writer's thread."""
    return msgspec.structs.replace(job, by_hand=[*job.by_hand], became={**job.became})
