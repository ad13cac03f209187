"""What follows from a decision or an answer: settled, held, parked, tried again, dead; and which lanes that opens.

The only place that turns outcomes into changes of lanes and book.
"""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

import aiohttp
import msgspec

from router.clock import Clock, to_iso
from router.decide.decide import Held, Settled
from router.decide.gate import Closed, Supplies, call_need
from router.deliver.attempt import Attempt
from router.deliver.backoff import wait_s
from router.deliver.book import Book
from router.deliver.flow import Flow
from router.deliver.lanes import Entry, Lane, Lanes, Ready
from router.deliver.outbox import Outbox, Shipment
from router.deliver.turns import Blocked, Mapped, Result
from router.destinations import Destination, preview
from router.event import show_user_key
from router.metrics import Meter
from router.plugin import Delivered, Outcome, Pause, Reject, RetryLater, Skip, Split
from router.store import HELD, MAIN, RETRY, WAITING, AttemptRow
from router.telemetry import Log

SUSPECT_ATTEMPTS = 3
"""Attempts of one event that meets 403 or 404 while others succeed."""


class Settlement:
    """Books outcomes for one destination. `ready`: the lanes that may have a turn to take."""

    def __init__(
        self,
        destination: Destination,
        session: aiohttp.ClientSession,
        book: Book,
        lanes: Lanes,
        supplies: Supplies,
        flow: Flow,
        clock: Clock,
        log: Log,
        random: Random,
        ready: Ready,
        meter: Meter,
    ) -> None:
        self._meter = meter
        self._destination, self._book, self._lanes, self._supplies = destination, book, lanes, supplies
        self._flow, self._clock, self._log, self._random, self._ready = flow, clock, log, random, ready
        self.outbox = Outbox(destination, session, flow, clock, self.answered)
        self.opening: dict[str, int] = {}  #: needs met, but not in a finished commit yet: how many steps carry them
        self.opened_since: set[str] = set()  #: needs met since the worker last cleared it
        self._asked_to_wait = 0
        self._status = flow.status

    # ------------------------------------------------------------ after a turn

    def take(self, entry: Entry, result: Result) -> bool:
        """Act on what a turn came to. False: it was put back, since its plugin paused the destination."""
        match result:
            case Mapped(items=items):
                if entry.state == "held":
                    self._log_event(entry, "event_released")
                else:
                    self._decided(entry, "deliver", "")
                entry.items = items
                self.send(entry)
            case Settled(state=state, reason=reason):
                self._decided(entry, state, reason)
                self.settle(entry, state, reason)
            case Skip(reason=reason):
                self._decided(entry, "skipped", reason)
                self.settle(entry, "skipped", reason)
            case Held(closed=closed):
                self._hold(entry, closed)
            case Blocked():
                entry.lane.rewind(MAIN, entry.place)
                self._bound(entry.lane)
                self.park(entry, "queued", "behind_lane", MAIN)
            case Reject(reason=reason, detail=detail):
                self._decided(entry, "dead", reason)
                self.bury(entry, reason, detail)
            case RetryLater():
                self._retry(entry, result)
            case Pause():
                self.pause(result)
                self.put_back(entry)
                return False
            case _:
                raise TypeError(f"a turn cannot end in {result!r}")
        return True

    def send(self, entry: Entry) -> None:
        """Hand mapped items to the outbox; in a dry run record what would be sent instead."""
        if self._destination.config.mode == "dry-run":
            self._record_dry_run(entry)
            self.settle(entry, "delivered", "dry_run")
        else:
            entry.lane.current = entry
            self.outbox.add(entry)

    def put_back(self, entry: Entry, *, ready: bool = True) -> None:
        """Its turn could not be finished: it stays the first of its user."""
        lane = entry.lane
        if entry.parked:
            lane.rewind(entry.queue, entry.place)
        else:
            lane.waiting.appendleft(entry)
        if ready:
            self._ready.add(lane)

    def _hold(self, entry: Entry, closed: Closed) -> None:
        lane = entry.lane
        if entry.parked and entry.queue == HELD:
            lane.rewind(HELD, entry.place)  # it stays the first of its queue
            self._lanes.hold(lane, entry.place, closed.reason, (closed.need, closed.also), closed.group_id)
            self._book.touch(lane)
            return
        self._decided(entry, "held", closed.reason)
        hold = self._destination.config.hold
        if lane.held >= hold.max_events_per_user:
            self.bury(entry, "hold_full", f"{lane.held} events of this user are held: hold.max_events_per_user")
            return
        if self._book.parked_bytes + len(entry.row.body) > hold.max_bytes:
            self.bury(entry, "hold_full", f"{self._book.parked_bytes} bytes of events wait already: hold.max_bytes")
            return
        if not lane.held or (lane.need and entry.place < lane.first_held):
            self._lanes.hold(lane, entry.place, closed.reason, (closed.need, closed.also), closed.group_id)
        lane.rewind(HELD, entry.place)
        self.park(entry, "held", closed.reason, HELD)

    def _bound(self, lane: Lane) -> None:
        """What waits behind a retry has bounds too. At them the event that is tried again is given up, never those behind."""
        hold = self._destination.config.hold
        full = lane.main >= hold.max_events_per_user or self._book.parked_bytes >= hold.max_bytes
        if full and lane.attempts and not lane.over:
            lane.over = True
            if not lane.draining:
                self.drain(lane)

    def give_up(self, entry: Entry) -> None:
        """Too much stands behind this event for it to be tried again."""
        entry.lane.over = False
        hold = self._destination.config.hold
        words = (
            f"more stood behind it than hold.max_events_per_user ({hold.max_events_per_user}) or hold.max_bytes allow"
        )
        self.bury(entry, "expired", words)

    def _record_dry_run(self, entry: Entry) -> None:
        assert entry.items is not None
        text = msgspec.json.encode(preview(entry.items, self._destination)).decode()
        self._book.attempt(AttemptRow(entry.as_of, self._clock.now_ms(), 0, None, "", "dry_run", text))

    # ------------------------------------------------------------ after an answer

    def answered(self, shipment: Shipment, attempt: Attempt, outcomes: Sequence[Outcome]) -> None:
        """Book the outcomes of one request, and what it says about the destination."""
        self._meter.attempt(attempt.status, outcomes, attempt.duration_ms)
        users = {part.entry.lane.key for part in shipment.parts}
        outcomes = self._judge_destination(users, attempt, outcomes)
        end = len(outcomes)
        for part in reversed(shipment.parts):  # what goes back to the head of the outbox keeps its order
            begin = end - len(part.items)
            self._book_part(part.entry, outcomes[begin:end], len(outcomes), attempt)
            end = begin
        self._ready.wake()  # there may be room for the next request

    def _judge_destination(self, users: set[str], attempt: Attempt, outcomes: Sequence[Outcome]) -> Sequence[Outcome]:
        """Pauses, breaker and waits; a Pause on suspicion becomes what it is: a pause, or one event's trouble."""
        flow = self._flow
        if attempt.status == 429:
            hint = next((o.after_s for o in outcomes if isinstance(o, RetryLater) and o.after_s is not None), None)
            asked = attempt.retry_after_s if attempt.retry_after_s is not None else hint
            if asked is None:
                self._asked_to_wait += flow.running  # not once more for each request that was on its way meanwhile
            own = wait_s(max(1, self._asked_to_wait), self._random)
            self._changed(flow.wait(asked if asked is not None and asked > 0 else own))
            return [RetryLater("status_429") if isinstance(o, RetryLater) else o for o in outcomes]
        if attempt.retry_after_s is not None:
            self._changed(flow.wait(attempt.retry_after_s))
        if any(isinstance(o, Delivered) for o in outcomes):
            self._asked_to_wait = 0
            self._changed(flow.succeeded())
            return outcomes
        unsure = [o for o in outcomes if isinstance(o, Pause) and not o.sure]
        if unsure and not flow.suspect(users):
            words = unsure[0].detail
            reason = f"status_{attempt.status}" if attempt.status else unsure[0].reason
            return [RetryLater(reason, words) if isinstance(o, Pause) and not o.sure else o for o in outcomes]
        pauses = [o for o in outcomes if isinstance(o, Pause)]
        if pauses:
            self.pause(pauses[0])
        elif outcomes and all(isinstance(o, RetryLater) for o in outcomes):
            first = outcomes[0]
            assert isinstance(first, RetryLater)
            self._changed(flow.failed(users, first.reason))
        elif any(isinstance(o, Reject) for o in outcomes):
            self._changed(flow.succeeded())  # it answers, and it judges: the vendor is there
        return outcomes

    def _book_part(self, entry: Entry, outcomes: Sequence[Outcome], together: int, attempt: Attempt) -> None:
        assert entry.items is not None
        left = [item for item, o in zip(entry.items, outcomes, strict=False) if not isinstance(o, Delivered)]
        left += entry.items[len(outcomes) :]
        bad = [o for o in outcomes if not isinstance(o, Delivered)]
        self._book_attempt(entry, bad[0] if bad else None, attempt)
        rejected = next((o for o in bad if isinstance(o, Reject)), None)
        later = next((o for o in bad if isinstance(o, RetryLater)), None)
        entry.items = left
        if rejected is not None:
            entry.attempts += 1
            self.bury(entry, rejected.reason, rejected.detail)
        elif any(isinstance(o, Pause) for o in bad) or (later is not None and attempt.status == 429):
            self.outbox.add(entry, first=True)  # no attempt: nothing is burned
        elif later is not None:
            self._retry(entry, later)
        elif bad:
            assert isinstance(bad[0], Split)
            entry.share = max(1, together // 2)
            self.outbox.add(entry, first=True)
        elif left:
            if entry.parked:
                self.park(entry, entry.state, "")
            self.outbox.add(entry, first=True)
        else:
            entry.lane.current = None
            self.settle(entry, "delivered", "")
            self._ready.add(entry.lane)

    def _book_attempt(self, entry: Entry, bad: Outcome | None, attempt: Attempt) -> None:
        """Failures leave a row; so does the success that follows one."""
        reason = getattr(bad, "reason", "")
        if self._log.writes("delivery_attempted"):
            self._log_event(
                entry, "delivery_attempted", attempt=entry.attempts + 1, status=attempt.status, reason=reason,
                duration_ms=attempt.duration_ms,
            )  # fmt: skip
        if attempt.status == 429 or (bad is None and not entry.attempts):
            return
        error = attempt.error or getattr(bad, "detail", "")[:500]
        now = self._clock.now_ms()
        self._book.attempt(AttemptRow(entry.as_of, now, attempt.duration_ms, attempt.status, error, reason))

    # ------------------------------------------------------------ the ends an event can come to

    def settle(self, entry: Entry, state: str, reason: str) -> None:
        """Delivered, skipped or filtered: it supplies from now on what waits for it."""
        if state == "delivered":
            self._log_event(entry, "event_delivered", reason=reason)
        self._book.settle(entry, state, reason)
        self._supply(entry)

    def park(self, entry: Entry, state: str, reason: str, queue: str | None = None) -> None:
        """Give the event a row, or bring it up to date. A group call with a row does not supply until it is settled."""
        self._fail_supply(entry)
        self._book.park(entry, state, reason, queue)

    def insert(self, entry: Entry, reason: str) -> None:
        """Park what a timer returned or a replay feeds, at a place between events; a lane that is free lets it go now."""
        lane, is_free = entry.lane, not entry.lane.blocked
        lane.rewind(
            MAIN, entry.place
        )  # rows of an earlier life of the worker may stand further on than it has read by now
        self.park(entry, "queued", reason, MAIN)
        if is_free:
            lane.mode = RETRY
            self.drain(lane)

    def bury(self, entry: Entry, reason: str, detail: str) -> None:
        """A dead letter: what it would have supplied stays missing."""
        lane = entry.lane
        if lane.current is entry:
            lane.current = None
        self._fail_supply(entry, dead=True)
        self._book.bury(entry, reason, detail)
        self._log_event(entry, "event_dead", reason=reason)
        if entry.row.type != "group":
            for need in entry.told:  # the link that it tells holds, whatever the vendor says of the call
                self.open(need)
        self._ready.add(lane)

    def _retry(self, entry: Entry, outcome: RetryLater) -> None:
        """Park the event and block its lane, or give it up if it has been tried for long enough."""
        now, delivery = self._clock.now_ms(), self._destination.config.delivery
        entry.attempts += 1
        running = self._flow.running_ms()
        entry.first_at = entry.first_at or running
        budget_s = min(delivery.max_age_s, outcome.for_s if outcome.for_s is not None else delivery.max_age_s)
        suspected = outcome.reason in ("status_403", "status_404") and entry.attempts >= SUSPECT_ATTEMPTS
        if entry.lane.over:
            self.give_up(entry)
            return
        if suspected or running - entry.first_at >= budget_s * 1000:
            self.bury(entry, "rejected" if suspected else "expired", f"{outcome.reason}: {outcome.detail}")
            return
        lane = entry.lane
        lane.current = None
        lane.mode, lane.draining, lane.attempts = RETRY, False, entry.attempts
        lane.due_at = now + int(1000 * wait_s(entry.attempts, self._random, outcome.after_s))
        if not lane.held:
            lane.reason = outcome.reason
        lane.rewind(entry.queue, entry.place)
        self.park(entry, "retrying", outcome.reason)
        self._log_event(
            entry, "event_retrying", reason=outcome.reason, attempt=entry.attempts, due_at=to_iso(lane.due_at)
        )
        self._ready.add(lane)

    def pause(self, pause: Pause) -> None:
        """The whole destination waits: its key or its set-up is wrong."""
        self._changed(self._flow.pause(pause))

    def _changed(self, changed: bool) -> None:
        """Store and tell the destination's state, where it did change."""
        before, status = self._status, self._flow.status
        self._status = status
        if status is before:
            return
        self._book.status(status)
        if not changed:
            return
        self._meter.change(status.state, status.reason)
        resumed = "breaker_closed" if before.state == "breaker_open" else "destination_resumed"
        name = {"breaker_open": "breaker_opened", "paused": "destination_paused"}.get(status.state, resumed)
        self._log.emit(
            name, reason=status.reason, detail=status.detail, until=to_iso(status.until) if status.until else ""
        )

    # ------------------------------------------------------------ what waits for it

    def _supply(self, entry: Entry) -> None:
        """A settled group call supplies; a settled link may have brought its user a group."""
        event = entry.event
        if event is None:
            return
        needs = list(entry.told)
        if event.type == "group" and event.group_id is not None:
            changed = self._supplies.settle(entry.pos, entry.callers, event.group_id, entry.tells)
            self._book.supply(changed)
            supplying = [pos for pos, row in changed.items() if row is None or "id" not in row.missing]
            needs += [f"g:{event.group_id}", *map(call_need, {entry.as_of, *supplying})]
        for need in needs:
            self.open(need)

    def _fail_supply(self, entry: Entry, *, dead: bool = False) -> None:
        event = entry.event
        if event is None or event.type != "group" or event.group_id is None or not entry.counted:
            return
        row = self._supplies.fail(entry.pos, entry.lane.key, event.group_id, entry.tells, dead=dead)
        self._book.supply({entry.pos: row})
        missing = row.missing if row is not None else []
        if not entry.parked and len(missing) <= len(entry.tells):  # others told some of it while it was on its way
            self.open(f"g:{event.group_id}")
            if "id" not in missing:
                self.open(call_need(entry.as_of))

    def open(self, need: str) -> None:
        """Lanes that wait for this may ask their gate again: those in memory now, rows with the commit."""
        if self._book.held > 0:
            self.open_on(need, "")
            for lane in self._lanes.waiting_for(need):
                self.ask_again(lane)

    def open_on(self, need: str, last: str) -> None:
        """Open the rows that wait for this, behind the last one done, with the next commit."""
        if self._book.open(need, last):
            self.opening[need] = self.opening.get(need, 0) + 1
        self.opened_since.add(need)

    def opened(self, need: str) -> None:
        """A commit that opened this is done."""
        self.opening[need] -= 1
        if not self.opening[need]:
            del self.opening[need]

    def status_changed(self) -> None:
        """The destination's state changed by itself or by hand."""
        self._changed(True)

    def ask_again(self, lane: Lane) -> None:
        """The lane's held queue may have become open."""
        self._lanes.set_need(lane, "")
        if lane.mode == WAITING or not lane.blocked:
            self.drain(lane)
        else:
            self._book.touch(lane)  # it drains when its retry is due; that its need is met must outlive a start

    def drain(self, lane: Lane) -> None:
        """Parked events go out now; new ones of this user park behind them."""
        lane.draining = True
        lane.due_at = lane.due_at or self._clock.now_ms()
        self._book.touch(lane)
        self._ready.add(lane)

    # ------------------------------------------------------------ words

    def _decided(self, entry: Entry, outcome: str, reason: str) -> None:
        self._log_event(entry, "decision_made", outcome=outcome, reason=reason)

    def _log_event(self, entry: Entry, name: str, **fields: object) -> None:
        if not self._log.writes(name):
            return
        row = entry.row
        self._log.emit(
            name,
            message_id=row.message_id,
            source=row.source,
            user_key=show_user_key(entry.lane.key),
            type=row.type,
            **fields,
        )
