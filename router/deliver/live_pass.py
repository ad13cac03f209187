"""The way of an event whose user has nothing waiting: read, decided, mapped, handed to the batcher, in one pass a batch.

A user without a lane and without an event in flight is free. For everything unusual the user gets a lane (`LaneTable.take`),
and the event goes the way of all lanes. Nothing else connects the two.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence

from router.decide.decide import DELIVER, Decision, Deliver, Held, Settled, decide
from router.deliver.context import DeliveryContext, DeliveryState
from router.deliver.event_lines import EventLines
from router.deliver.lanes.delivery import Delivery
from router.deliver.process.mapper import Mapped, Mapper
from router.deliver.process.prepare import Prepared, PreparedTurn, Preparer, gate_view, standing_of
from router.deliver.send.batcher import Batcher
from router.deliver.settle.turns import DRY_RUN, TurnHandler
from router.directory import FOLDED
from router.plugin import Reject, Skip
from router.plugin_host.hook_watch import PassSize
from router.vocabulary import EventState, Line

SENT, WRITTEN = ("deliver", ""), ("", "")


class LivePass:
    """Owned by the worker; only its loop calls it."""

    def __init__(
        self,
        context: DeliveryContext,
        state: DeliveryState,
        preparer: Preparer,
        mapper: Mapper,
        turns: TurnHandler,
        batcher: Batcher,
    ) -> None:
        self._context, self._state = context, state
        self._destination = context.destination
        self._lanes, self._work, self._readiness = state.lanes, state.work, state.readiness
        self._preparer, self._mapper, self._turns, self._batcher = preparer, mapper, turns, batcher
        self.size = PassSize()
        self._lines = EventLines(context.log)
        self._is_gated = self._destination.is_gated
        self._is_dry_run = self._destination.config.mode == "dry-run"
        self._has_state = "state_key" in self._destination.hooks

    async def run(self, deliveries: Sequence[Delivery]) -> None:
        """Enter what was read from the log, in its order: free users' events go on at once, the others into their lanes."""
        rest = deliveries
        while rest:
            done = await self._run_slice(rest[: self.size.events])
            rest = rest[done:]
            if rest:
                await asyncio.sleep(0)

    async def _run_slice(self, deliveries: Sequence[Delivery]) -> int:
        """Enter as many as hooks leave time for. Returns how many."""
        quick = self._quick(deliveries)
        stored = await self._stored_lanes(quick)
        prepared = await self._preparer.prepare(quick)
        decided: dict[tuple[str, str], list[Delivery]] = {}
        dry_runs: list[Delivery] = []
        watch, done = self._destination.watch, 0
        watch.start_slice()
        for delivery in deliveries:
            if watch.is_over:
                break
            done += 1
            key = delivery.log_event.user_key
            turn = prepared.turns.get(id(delivery))
            if self._batcher.is_full(Line.LIVE):  # opened again at its turn: it takes six times its body
                delivery.event = turn = None
            is_quick = turn is not None and key not in stored and self._lanes.is_free(key)
            outcome = self._take(delivery, turn, prepared) if is_quick and turn is not None else None
            if outcome is None:
                self._enter_lane(delivery)
            elif outcome != WRITTEN:
                decided.setdefault(outcome, []).append(delivery)
            if outcome == SENT and self._is_dry_run:
                dry_runs.append(delivery)
        self._finish(decided, dry_runs)
        self.size.ended(done, is_over=watch.is_over)
        return done

    def _quick(self, deliveries: Sequence[Delivery]) -> list[Delivery]:
        """Those that may go on at once. Group calls and links open gates and move what is held: where there is a gate they take
        the way of lanes."""
        if self._has_state:
            return []
        is_free = self._lanes.is_free
        free = [one for one in deliveries if is_free(one.log_event.user_key)]
        return [one for one in free if one.log_event.type not in FOLDED] if self._is_gated else free

    async def _stored_lanes(self, deliveries: Sequence[Delivery]) -> Iterable[str]:
        """Which of their users have a lane in the store, or may have."""
        if not self._lanes.may_have_rows or not deliveries:
            return ()
        let_go = self._lanes.watch_let_go()
        loaded = await self._context.claim.lanes.load(list({one.log_event.user_key for one in deliveries}))
        self._lanes.unwatch_let_go()
        return loaded.keys() | let_go

    def _take(self, delivery: Delivery, turn: PreparedTurn, prepared: Prepared) -> tuple[str, str] | None:
        """The turn of a free user's event. Returns (outcome, reason) for its line of the log, WRITTEN where it has written
        its own; None: it needs a lane."""
        if turn.decision is not DELIVER:
            decision = self._decide(delivery, turn, prepared)
            if isinstance(decision, Settled):
                return None if delivery.announcement is not None else (decision.state, decision.reason)
            if not isinstance(decision, Deliver):
                return None
        mapping = self._mapper.map(delivery, prepared.known, None)
        if isinstance(mapping, Mapped):
            delivery.items = mapping.items
            if not self._is_dry_run:
                self._lanes.in_flight[delivery.log_event.user_key] = delivery
                self._batcher.add(delivery, Line.LIVE)
            return SENT
        if isinstance(mapping.outcome, Skip) and delivery.announcement is None:
            return EventState.SKIPPED, mapping.outcome.reason
        delivery.lane = self._lanes.take(delivery.log_event.user_key, is_new=True)
        self._turns.mapped(delivery, mapping)
        self._lanes.let_go(delivery.lane)
        return WRITTEN

    def _decide(self, delivery: Delivery, turn: PreparedTurn, prepared: Prepared) -> Decision | Held | Reject:
        decision = turn.decision
        if isinstance(decision, Settled | Reject):
            return decision
        assert delivery.event is not None
        gate = gate_view(prepared, self._readiness)
        return decide(delivery.event, self._destination, standing_of(delivery), gate)

    def _enter_lane(self, delivery: Delivery) -> None:
        lane = delivery.lane = self._lanes.take(delivery.log_event.user_key)
        lane.add_waiting(delivery)
        self._state.run_queue.add(lane)

    def _finish(self, decided: dict[tuple[str, str], list[Delivery]], dry_runs: Sequence[Delivery]) -> None:
        """Write the lines, and settle what was decided against sending."""
        for (outcome, reason), deliveries in decided.items():
            self._lines.lines("decision_made", deliveries, outcome=outcome, reason=reason)
            if outcome == EventState.FILTERED:
                self._context.meter.filtered[reason] += len(deliveries)
            if outcome != "deliver":
                self._work.settle_live([delivery.pos for delivery in deliveries], (outcome, reason))
        for delivery in dry_runs:
            self._turns.record_dry_run(delivery)
        if dry_runs:
            self._lines.lines("event_delivered", dry_runs, reason=DRY_RUN[1])
            self._work.settle_live([delivery.pos for delivery in dry_runs], DRY_RUN)
