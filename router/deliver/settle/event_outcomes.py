"""The ends an event can come to, and the stays on the way there: settled, dead, held, parked, tried again."""

from __future__ import annotations

from router.clock import to_iso
from router.decide.gate import Closed, call_key, group_key
from router.deliver.context import DeliveryContext, DeliveryState
from router.deliver.event_lines import EventLines
from router.deliver.lanes.delivery import Delivery
from router.deliver.lanes.lane import Lane, Wait
from router.deliver.send.backoff import wait_s
from router.deliver.settle.destination_verdict import Suspected
from router.deliver.settle.releases import Releases
from router.plugin import RetryLater
from router.store import Tried
from router.vocabulary import FORGOTTEN, EventState, LaneState, Line, Queue

SUSPECT_ATTEMPTS = 3
"""Attempts of one event that meets a `Pause(sure=False)`, a 403 or 404 say, while others succeed."""


class EventOutcomes:
    """Turns what became of an event into changes of its lane and of the next commit."""

    def __init__(self, context: DeliveryContext, state: DeliveryState, releases: Releases, lines: EventLines) -> None:
        self._context, self._releases, self._lines = context, releases, lines
        self._work, self._lanes, self._run_queue = state.work, state.lanes, state.run_queue
        self._readiness, self._breaker = state.readiness, state.breaker
        self._config = context.destination.config
        self._is_gated = context.destination.is_gated

    # ------------------------------------------------------------ ends

    def settle(self, delivery: Delivery, state: str, reason: str, tried: Tried | None = None) -> None:
        """Delivered, skipped or filtered: what waits for it may go on."""
        if state == EventState.DELIVERED:
            self._lines.line("event_delivered", delivery, reason=reason)
        self._work.settle(delivery, state, reason, tried)
        self.announce(delivery)

    def keep_back(self, delivery: Delivery, reason: str, *, is_remembered: bool = False) -> None:
        """A filter, want of consent or a tracking plan keeps it from here: a group call does not count as this destination's, as if it
        had been refused.

        Args:
            is_remembered: also where the directory does not refer to the call yet: a replay elsewhere may teach it.
        """
        if self._is_gated:
            announcement = delivery.announcement
            is_remembered = is_remembered and not self._is_refused_already(delivery)
            is_remembered = is_remembered or self._readiness.is_remembered(delivery.pos)
            if announcement is not None and (announcement.is_asked_for or is_remembered):
                self._group_call_failed(delivery, is_dead=True)
            else:
                self._readiness.forget(delivery.pos)
        self._work.settle(delivery, EventState.FILTERED, reason)
        self._release_past(delivery)

    def _is_refused_already(self, delivery: Delivery) -> bool:
        """Whether an earlier call of the same user and group is remembered. A source may send the same one a million times."""
        event = delivery.event
        return event is not None and self._readiness.misses(event.group_id or "", delivery.user_key)

    def bury(self, delivery: Delivery, reason: str, detail: str) -> None:
        """A dead letter: what it would have told stays unknown here."""
        lane = delivery.lane
        assert lane is not None
        lane.finish(delivery)
        self._group_call_failed(delivery, is_dead=True)
        self._work.bury(delivery, reason, detail)
        self._lines.line("event_dead", delivery, reason=reason)
        self._release_past(delivery)
        self._run_queue.add(lane)

    def forget(self, delivery: Delivery) -> None:
        """Its person or group was forgotten while it was on its way: it is dead, no letter is kept, and no line names it."""
        lane = delivery.lane
        assert lane is not None
        lane.finish(delivery)
        self._group_call_failed(delivery, is_dead=True)
        self._work.settle(delivery, EventState.DEAD, FORGOTTEN)
        self._release_past(delivery)
        self._run_queue.add(lane)

    def _release_past(self, delivery: Delivery) -> None:
        """The call tells this destination nothing: who waited for it asks again."""
        announcement = delivery.announcement
        if announcement is not None:
            if delivery.log_event.type == "group":  # who waited for it may belong to another group now
                self._releases.release([call_key(delivery.as_of), *announcement.concerned])
            else:  # the link that it tells holds, whatever becomes of the call
                self._releases.release(announcement.concerned)

    def give_up(self, delivery: Delivery) -> None:
        """Too much stands behind this event for it to be tried again."""
        assert delivery.lane is not None
        delivery.lane.leave_bound()
        hold = self._config.hold
        bounds = f"hold.max_events_per_user ({hold.max_events_per_user}) or hold.max_bytes"
        self.bury(delivery, "expired", f"more stood behind it than {bounds} allow")

    # ------------------------------------------------------------ stays

    def park(self, delivery: Delivery, state: EventState, reason: str, queue: Queue | None = None) -> None:
        """Give the event a row, or bring it up to date. A group call with a row does not count until it is settled."""
        self._group_call_failed(delivery)
        self._work.park(delivery, state, reason, queue)

    def park_behind(self, delivery: Delivery) -> None:
        """It may go out, but stands behind a blocked lane."""
        lane = delivery.lane
        assert lane is not None
        lane.rewind(Queue.MAIN, delivery.order_key)
        self._check_bound(lane)
        self.park(delivery, EventState.QUEUED, "behind_lane", Queue.MAIN)
        if lane.state in (LaneState.FREE, LaneState.HOLDING):  # it parks for want of memory: rows go out as they can
            self._releases.drain(lane, Line.LIVE)

    def park_in_flight(self, delivery: Delivery) -> None:
        """It is on its way and holds the cursor back: a row lets the cursor go on, and the answer settles the row."""
        lane = delivery.lane
        assert lane is not None
        self.park(delivery, EventState.QUEUED, "in_flight", Queue.MAIN)
        self._releases.drain(lane, lane.line)

    def insert(self, delivery: Delivery, reason: str, line: Line) -> None:
        """Park what a timer returned or a replay feeds, at a place between events; a lane that is free lets it go now."""
        lane = delivery.lane
        assert lane is not None
        is_free = not lane.must_park
        # rows of an earlier life of the worker may stand further on than it has read by now
        lane.rewind(Queue.MAIN, delivery.order_key)
        self.park(delivery, EventState.QUEUED, reason, Queue.MAIN)
        if is_free:
            self._releases.drain(lane, line)

    def put_back(self, delivery: Delivery, *, wants_turn: bool = True) -> None:
        """Its turn could not be finished: it stays the first of its user."""
        lane = delivery.lane
        assert lane is not None
        lane.put_back(delivery)
        if wants_turn:
            self._run_queue.add(lane)

    def hold(self, delivery: Delivery, closed: Closed) -> None:
        """The gate is closed: it waits in the held queue."""
        lane = delivery.lane
        assert lane is not None
        wait = Wait(closed.keys, closed.reason, closed.group_id, closed.refused_pos)
        if delivery.is_held:
            lane.rewind(Queue.HELD, delivery.order_key)  # it stays the first of its queue
            self._lanes.hold(lane, delivery.order_key, wait)
            if (
                delivery.fields.state is not EventState.HELD
            ):  # it was let go and failed, and now waits for a group again
                self.park(delivery, EventState.HELD, closed.reason)
            self._work.mark_dirty(lane)
            return
        self._lines.line("decision_made", delivery, outcome="held", reason=closed.reason)
        over = self._over_hold_bound(lane, delivery)
        if over:
            self.bury(delivery, "hold_full", over)
            return
        if not lane.held.count or (lane.wait.keys and delivery.order_key < lane.first_held):
            self._lanes.hold(lane, delivery.order_key, wait)
        lane.rewind(Queue.HELD, delivery.order_key)
        self.park(delivery, EventState.HELD, closed.reason, Queue.HELD)

    def _over_hold_bound(self, lane: Lane, delivery: Delivery) -> str:
        hold = self._config.hold
        if lane.held.count >= hold.max_events_per_user:
            return f"{lane.held.count} events of this user are held: hold.max_events_per_user"
        if self._work.parked_bytes + len(delivery.log_event.body) > hold.max_bytes:
            return f"{self._work.parked_bytes} bytes of events wait already: hold.max_bytes"
        return ""

    def _check_bound(self, lane: Lane) -> None:
        """What waits behind a retry has bounds too. At them the event that is tried again is given up, never those behind."""
        hold = self._config.hold
        is_full = lane.main.count >= hold.max_events_per_user or self._work.parked_bytes >= hold.max_bytes
        if is_full and lane.attempts and not lane.is_at_bound:
            lane.reach_bound()
            if not lane.is_draining:
                self._releases.drain(lane, Line.RETRY)

    def retry(self, delivery: Delivery, outcome: RetryLater) -> None:
        """Park the event and block its lane, or give it up if it has been tried for long enough."""
        lane, fields = delivery.lane, delivery.fields
        assert lane is not None
        fields.attempts += 1
        running = self._breaker.running_ms()
        fields.first_at = fields.first_at or running
        if lane.is_at_bound:
            self.give_up(delivery)
            return
        max_age_s = self._config.delivery.max_age_s
        budget_s = max_age_s if outcome.for_s is None else min(max_age_s, outcome.for_s)
        is_suspect = isinstance(outcome, Suspected) and fields.attempts >= SUSPECT_ATTEMPTS
        if is_suspect or running - fields.first_at >= budget_s * 1000:
            reason = "rejected" if is_suspect else "expired"
            self.bury(delivery, reason, f"{outcome.reason}: {outcome.detail}")
            return
        wait_ms = int(1000 * wait_s(fields.attempts, self._context.random, outcome.after_s))
        due_at = self._context.clock.now_ms() + wait_ms
        lane.finish(delivery)
        self._lanes.block(lane, due_at, fields.attempts, outcome.reason)
        lane.rewind(fields.queue, fields.order_key)
        self.park(delivery, EventState.RETRYING, outcome.reason)
        self._work.count_retry(outcome.reason)
        self._lines.line(
            "event_retrying", delivery, reason=outcome.reason, attempt=fields.attempts, due_at=to_iso(due_at)
        )
        self._run_queue.add(lane)

    # ------------------------------------------------------------ what waits for it

    def announce(self, delivery: Delivery) -> None:
        """A settled group call counts here; a settled link may have brought its user a group."""
        announcement, event = delivery.announcement, delivery.event
        if announcement is None or event is None:
            return
        keys = list(announcement.concerned)
        if event.type == "group" and event.group_id is not None:
            callers = announcement.callers or frozenset((delivery.user_key,))
            changed = self._readiness.settle(delivery.pos, callers, event.group_id, announcement.traits)
            if changed:
                self._work.group_calls(changed)
            counts = [pos for pos, row in changed.items() if row is None or "id" not in row.missing]
            keys += [group_key(event.group_id), *map(call_key, {delivery.as_of, *counts})]
        self._releases.release(keys)

    def _group_call_failed(self, delivery: Delivery, *, is_dead: bool = False) -> None:
        """A group call that is parked or dead does not count here."""
        event, announcement = delivery.event, delivery.announcement
        if event is None or announcement is None or event.type != "group" or event.group_id is None:
            return
        if not delivery.is_counted:
            return
        traits = announcement.traits
        row = self._readiness.fail(delivery.pos, delivery.user_key, event.group_id, traits, is_dead=is_dead)
        self._work.group_calls({delivery.pos: row})
        missing = row.missing if row is not None else []
        if not delivery.is_parked and len(missing) <= len(traits):  # others told some of it while it was on its way
            keys = [group_key(event.group_id)]
            if "id" not in missing:
                keys.append(call_key(delivery.as_of))
            self._releases.release(keys)
