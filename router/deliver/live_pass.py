"""The way of an event whose user has nothing waiting: read, decided, mapped, handed to the batcher, in one pass a batch.

A user without a lane and without an event in flight is free. For everything unusual the user gets a lane (`LaneTable.take`),
and the event goes the way of all lanes. Nothing else connects the two.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence

from router.decide.decide import DELIVER, Decision, Deliver, Held, Settled, decide
from router.deliver.context import DeliveryContext, DeliveryState
from router.deliver.event_lines import EventLines
from router.deliver.lanes.delivery import Delivery
from router.deliver.process.mapper import Mapped, Mapper, Mapping, NotMapped
from router.deliver.process.prepare import READY, Prepared, PreparedTurn, Preparer, gate_view, standing_of
from router.deliver.send.batcher import Batcher
from router.deliver.send.kind_queue import LIVE
from router.deliver.send.request_batch import json_bytes
from router.deliver.settle.turns import DRY_RUN, TurnHandler
from router.directory import FOLDED
from router.plugin import Reject, Skip
from router.plugin_host.hook_watch import PassSize
from router.vocabulary import EventState

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
        turns, prepared, stored = await self._prepare(deliveries)
        decided: dict[tuple[str, str], list[Delivery]] = {SENT: []}
        watch, mapper, sent, done = self._destination.watch, self._mapper, decided[SENT], 0
        in_flight, in_memory, room = self._lanes.in_flight, self._lanes.in_memory, self._batcher.room(LIVE)
        watch.start_slice()
        for delivery, turn in zip(deliveries, turns, strict=True):
            if watch.is_over:
                break
            done += 1
            key = delivery.log_event.user_key
            outcome = None
            if turn is not None and room > 0 and not (key in in_flight or key in in_memory or key in stored):
                outcome = SENT if turn is READY else self._decided(delivery, turn, prepared)
            if outcome is None:
                self._enter_lane(delivery, keeps_event=room > 0)
                continue
            if outcome is SENT:
                mapping = mapper.map(delivery, prepared.known, None)
                if type(mapping) is Mapped:
                    delivery.items = mapping.items
                    if not self._is_dry_run:
                        in_flight[key] = delivery
                        size = json_bytes(mapping.items)
                        delivery.weight = (LIVE, size)
                        room -= size
                    sent.append(delivery)
                    continue
                outcome = self._not_mapped(delivery, mapping)
            if outcome is not WRITTEN:
                decided.setdefault(outcome, []).append(delivery)
        self._finish(decided)
        self.size.ended(done, is_over=watch.is_over)
        return done

    async def _prepare(
        self, deliveries: Sequence[Delivery]
    ) -> tuple[list[PreparedTurn | None], Prepared, Collection[str]]:
        """The turn of each that may go on at once, what was looked up for them, and users who have a lane in the store."""
        in_flight, in_memory, is_usual = self._lanes.in_flight, self._lanes.in_memory, self._preparer.is_usual
        turns: list[PreparedTurn | None] = []
        unusual: list[Delivery] = []
        for one in deliveries:
            key = one.log_event.user_key
            is_ready = key not in in_flight and key not in in_memory and is_usual(one)
            turns.append(READY if is_ready else None)
            if not is_ready:
                unusual.append(one)
        quick = self._quick(unusual)
        stored = await self._stored_lanes([one for one, turn in zip(deliveries, turns, strict=True) if turn] + quick)
        prepared = await self._preparer.prepare(quick)
        found = prepared.turns
        if found:
            turns = [turn or found.get(id(one)) for one, turn in zip(deliveries, turns, strict=True)]
        return turns, prepared, stored

    def _quick(self, deliveries: Sequence[Delivery]) -> list[Delivery]:
        """Those that may go on at once. Group calls and links open gates and move what is held: where there is a gate they take
        the way of lanes."""
        if self._has_state:
            return []
        free = [one for one in deliveries if self._lanes.is_free(one.log_event.user_key)]
        return [one for one in free if one.log_event.type not in FOLDED] if self._is_gated else free

    async def _stored_lanes(self, deliveries: Sequence[Delivery]) -> Collection[str]:
        """Which of their users have a lane in the store, or may have."""
        if not self._lanes.may_have_rows or not deliveries:
            return ()
        let_go = self._lanes.watch_let_go()
        loaded = await self._context.claim.lanes.load(list({one.log_event.user_key for one in deliveries}))
        self._lanes.unwatch_let_go()
        return loaded.keys() | let_go

    def _decided(self, delivery: Delivery, turn: PreparedTurn, prepared: Prepared) -> tuple[str, str] | None:
        """What becomes of a free user's event: SENT, or (outcome, reason) of what is not sent; None: it needs a lane."""
        if turn.decision is DELIVER:
            return SENT
        decision = self._decide(delivery, turn, prepared)
        if isinstance(decision, Settled):
            return None if delivery.announcement is not None else (decision.state, decision.reason)
        return SENT if isinstance(decision, Deliver) else None

    def _not_mapped(self, delivery: Delivery, mapping: Mapping) -> tuple[str, str]:
        """(outcome, reason) for its line of the log; WRITTEN where it has written its own."""
        assert isinstance(mapping, NotMapped)
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

    def _enter_lane(self, delivery: Delivery, *, keeps_event: bool) -> None:
        if not keeps_event:
            delivery.event = None  # opened again at its turn: it takes six times its body
        lane = delivery.lane = self._lanes.take(delivery.log_event.user_key)
        lane.add_waiting(delivery)
        if not lane.awaits_answer or lane.linking or lane.is_migrating:
            self._state.run_queue.add(lane)

    def _finish(self, decided: dict[tuple[str, str], list[Delivery]]) -> None:
        """Hand over what is to be sent, write the lines, and settle what was decided against sending."""
        sent = decided[SENT]
        if not self._is_dry_run:
            self._batcher.add_mapped(sent)
        for (outcome, reason), deliveries in decided.items():
            self._lines.lines("decision_made", deliveries, outcome=outcome, reason=reason)
            if outcome == EventState.FILTERED:
                self._context.meter.filtered[reason] += len(deliveries)
            if outcome != "deliver":
                self._work.settle_live([delivery.pos for delivery in deliveries], (outcome, reason))
        if self._is_dry_run and sent:
            for delivery in sent:
                self._turns.record_dry_run(delivery)
            self._lines.lines("event_delivered", sent, reason=DRY_RUN[1])
            self._work.settle_live([delivery.pos for delivery in sent], DRY_RUN)
