"""One lane takes turns: its events one after the other, until one is in flight or more must be loaded. Never waits."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

from router.decide.decide import DELIVER, Blocked, Deliver, Settled, Standing, decide, gated_by
from router.decide.gate import Closed
from router.deliver.context import DeliveryContext, DeliveryState
from router.deliver.lanes.delivery import Delivery
from router.deliver.lanes.identity_merge import IdentityMerge
from router.deliver.lanes.lane import Lane
from router.deliver.process.mapper import Mapper
from router.deliver.process.prepare import Prepared, gate_view, standing_of
from router.deliver.settle.event_outcomes import EventOutcomes
from router.deliver.settle.turns import TurnHandler
from router.plugin import Reject
from router.store import ORDER_KEY_STEP
from router.vocabulary import EventState

MAX_LOOKAHEAD = 50


class LaneRunner:
    """Runs the lanes of one destination, each in one synchronous stretch."""

    def __init__(
        self,
        context: DeliveryContext,
        state: DeliveryState,
        outcomes: EventOutcomes,
        turns: TurnHandler,
        mapper: Mapper,
        merge: IdentityMerge,
    ) -> None:
        self._destination = context.destination
        self._work, self._lanes, self._run_queue = state.work, state.lanes, state.run_queue
        self._readiness = state.readiness
        self._outcomes, self._turns, self._mapper, self.merge = outcomes, turns, mapper, merge
        self.after_commit: dict[Lane, None] = {}  #: lanes that want a turn when the present batch is stored
        self.unread: dict[Lane, int] = {}  #: draining lanes whose next event stands further on than the log was read

    def candidates(self, lane: Lane) -> Iterator[Delivery]:
        """The events this lane may take turns with now, as many as it looks ahead."""
        if lane.is_overflowing:
            yield from lane.waiting
        elif lane.current is None or lane.must_park:
            yield from itertools.islice(lane.waiting, lane.lookahead)
        if lane.is_draining and lane.current is None:
            for queue in lane.open_queues():
                yield from itertools.islice(lane.queue(queue).buffer, lane.lookahead)

    def run(self, lane: Lane, prepared: Prepared) -> None:
        """Take turns until the lane has something in flight, or wants more loaded."""
        if lane.is_migrating:
            self.await_commit(lane)
        elif lane.linking:
            self._run_before_link(lane, prepared)
        else:
            in_flight, watch = lane.current, self._destination.watch
            while self._next(lane, prepared):
                if watch.is_over:
                    self._run_queue.add(lane)  # the others have a turn first
                    break
            if lane.current is not in_flight:
                lane.look_at_one()

    def await_commit(self, lane: Lane) -> None:
        """It wants a turn when the present batch is stored."""
        self.after_commit[lane] = None

    def _next(self, lane: Lane, prepared: Prepared) -> bool:
        """The next turn of a lane. False: there is none for now."""
        if lane.is_draining and lane.current is None:
            return self._drain_one(lane, prepared)
        if lane.awaits_answer:
            return False
        return self._take_waiting(lane, prepared)

    def _take_waiting(self, lane: Lane, prepared: Prepared) -> bool:
        """The turn of the next event without a row. False: there is none, or it is not prepared, or was put back."""
        if not lane.waiting:
            return False
        if not prepared.has(lane.waiting[0]):
            self._want_more(lane)
            return False
        return self._take(lane.take_waiting(), prepared)

    def _park_waiting(self, lane: Lane, prepared: Prepared) -> None:
        """What was read meanwhile parks behind the lane; it must not hold the window."""
        while lane.waiting and prepared.has(lane.waiting[0]) and self._take(lane.take_waiting(), prepared):
            pass

    def _want_more(self, lane: Lane) -> None:
        """All that was prepared had its turn: prepare twice as much for the next one."""
        lane.look_further(MAX_LOOKAHEAD)
        self._run_queue.add(lane)

    # ------------------------------------------------------------ a linking call waits

    def _run_before_link(self, lane: Lane, prepared: Prepared) -> None:
        """A linking call waits for this lane: what was accepted before it has its turn, and nothing else."""
        first = min((other.waiting[0].pos for other in lane.linking if other.waiting), default=0)
        while lane.waiting and lane.waiting[0].pos < first and (lane.current is None or lane.must_park):
            if not self._take_waiting(lane, prepared):
                return
        if lane.deferred:
            self.await_commit(lane)
        elif lane.current is None:
            for other in lane.linking:  # those after the first would only come back to wait for it
                if not other.waiting or other.waiting[0].pos == first:
                    self._run_queue.add(other)

    # ------------------------------------------------------------ parked events

    def _drain_one(self, lane: Lane, prepared: Prepared) -> bool:
        """The turn of the next parked event. False: nothing can be done before more is loaded."""
        if lane.deferred:  # the event before this one may have to be tried again first
            self.await_commit(lane)
            self._park_waiting(lane, prepared)
            return False
        if not lane.open_queues():
            self._lanes.end_drain(lane)
            self._work.mark_dirty(lane)
            return True
        delivery = lane.first_parked()
        if delivery is None or not prepared.has(delivery):
            if lane not in self.after_commit:
                self._want_more(lane)
            self._park_waiting(lane, prepared)
            return False
        if not self._is_first(lane, delivery, prepared):
            return False
        lane.queue(delivery.fields.queue).take()
        if lane.is_at_bound and delivery.fields.state is EventState.RETRYING:
            self._outcomes.give_up(delivery)
            return True
        if delivery.items is not None and not isinstance(prepared.turns[id(delivery)].decision, Settled):
            self._turns.send(delivery)
            return True
        return self._take(delivery, prepared)

    def _is_first(self, lane: Lane, delivery: Delivery, prepared: Prepared) -> bool:
        """Whether no event of the user that was accepted before this parked one is still to be read or to be parked: what
        was in flight without a row when the process ended is read again from the log. False: the lane is seen to."""
        pos = delivery.order_key // ORDER_KEY_STEP
        if pos > self._work.read_pos:
            self.unread[lane] = pos
            return False
        if not lane.waiting or (earlier := lane.waiting[0]).order_key >= delivery.order_key:
            return True
        self._park_waiting(lane, prepared)
        if not prepared.has(earlier) or not lane.waiting or lane.waiting[0] is not earlier:
            self._want_more(lane)
        return False

    # ------------------------------------------------------------ one turn

    def _take(self, delivery: Delivery, prepared: Prepared) -> bool:
        """Give an event its turn. False: it was put back."""
        lane, known = delivery.lane, prepared.known
        assert lane is not None
        if self.merge.must_wait(delivery, known):
            return False
        if self.merge.belongs_to_another(delivery, known):
            if lane.must_park and not delivery.is_parked:
                self._outcomes.park_behind(delivery)
                return True
            if self.merge.hand_over(delivery, known):
                self.await_commit(lane)
            return False
        return self._decide(delivery, lane, prepared)

    def _decide(self, delivery: Delivery, lane: Lane, prepared: Prepared) -> bool:
        turn = prepared.turns[id(delivery)]
        if isinstance(turn.decision, Settled | Reject) or delivery.event is None:
            self._turns.decided(delivery, turn.decision)
            return True
        must_park = not delivery.is_parked and (lane.must_park or lane.current is not None)
        if turn.decision is DELIVER and not must_park:  # no gate is to be asked
            return self._turns.mapped(delivery, self._mapper.map(delivery, prepared.known, turn.state_key))
        standing, gate = self._standing(delivery, lane, must_park=must_park), gate_view(prepared, self._readiness)
        decision = decide(delivery.event, self._destination, standing, gate)
        if isinstance(decision, Deliver):
            return self._turns.mapped(delivery, self._mapper.map(delivery, prepared.known, turn.state_key))
        self._turns.decided(delivery, decision)
        return True

    def gate_is_open(self, delivery: Delivery, prepared: Prepared) -> bool:
        """Whether a prepared event could go out now."""
        if delivery.event is None:
            return True
        decided = decide(delivery.event, self._destination, standing_of(delivery), gate_view(prepared, self._readiness))
        return isinstance(decided, Deliver | Blocked)

    def _standing(self, delivery: Delivery, lane: Lane, *, must_park: bool) -> Standing:
        event = delivery.event
        assert event is not None
        behind = None
        if _is_behind_held(delivery, lane) and gated_by(event.type, self._destination):
            wait = lane.wait
            behind = Closed(wait.reason or "group_unknown", wait.keys, wait.group_id, wait.refused_pos)
        return standing_of(delivery, behind=behind, must_park=must_park)


def _is_behind_held(delivery: Delivery, lane: Lane) -> bool:
    """Whether it stands behind a held event. A parked one of the main queue had its gate open before anything was held,
    unless what is held now was there before it."""
    if not lane.held.count or delivery.is_held:
        return False
    return not delivery.is_parked or (bool(lane.wait.keys) and delivery.order_key > lane.first_held)
