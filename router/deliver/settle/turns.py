"""An event had its turn: act on what was decided, and on what the plugin made of it."""

from __future__ import annotations

from collections.abc import Container

import msgspec

from router.decide.decide import BLOCKED_BY_PLAN, Blocked, Decision, Held, Settled
from router.deliver.context import DeliveryContext, DeliveryState
from router.deliver.event_lines import EventLines
from router.deliver.lanes.delivery import Delivery
from router.deliver.process.mapper import Mapped, Mapping, NotMapped, mapped_by
from router.deliver.process.prepare import LOST
from router.deliver.send.batcher import Batcher
from router.deliver.settle.event_outcomes import EventOutcomes
from router.deliver.settle.status_changes import StatusChanges
from router.event import show_user_key
from router.logger import cut
from router.plugin import Pause, Reject, RetryLater, Skip
from router.plugin_host import KEEPING_BACK, preview
from router.store import AttemptRow
from router.vocabulary import EventState, Line

DRY_RUN = ("delivered", "dry_run")


class TurnHandler:
    """Acts for events that stand in a lane."""

    def __init__(
        self,
        context: DeliveryContext,
        state: DeliveryState,
        outcomes: EventOutcomes,
        status: StatusChanges,
        batcher: Batcher,
        lines: EventLines,
    ) -> None:
        self._context, self._work = context, state.work
        self._outcomes, self._status, self._batcher, self._lines = outcomes, status, batcher, lines
        self._mapped_by = mapped_by(context.destination)
        self._is_dry_run = context.destination.config.mode == "dry-run"

    def decided(self, delivery: Delivery, decision: Decision | Reject) -> None:
        """Act on a decision other than Deliver."""
        match decision:
            case Settled(state=state, reason=reason):
                self._lines.line("decision_made", delivery, outcome=state, reason=reason)
                if decision == LOST:
                    lane = delivery.lane
                    user = cut(show_user_key(lane.key)) if lane is not None else ""
                    self._context.log.emit("event_lost", user_key=user, position=delivery.as_of)
                if state == EventState.FILTERED:
                    self._context.meter.filtered[reason] += 1
                if state == EventState.FILTERED and reason in KEEPING_BACK:
                    self._outcomes.keep_back(delivery, reason)
                elif decision == BLOCKED_BY_PLAN:
                    self._outcomes.keep_back(delivery, reason, is_remembered=True)
                else:
                    self._outcomes.settle(delivery, state, reason)
            case Held(closed=closed):
                self._outcomes.hold(delivery, closed)
            case Blocked():
                self._outcomes.park_behind(delivery)
            case Reject(reason=reason, detail=detail):
                self._lines.line("decision_made", delivery, outcome="dead", reason=reason)
                self._outcomes.bury(delivery, reason, detail)
            case _:
                raise TypeError(f"a turn cannot end in {decision!r}")

    def mapped(self, delivery: Delivery, mapping: Mapping) -> bool:
        """Act on what the plugin made. False: the event was put back, since its plugin paused the destination."""
        if mapping.changes is not None:
            self._work.changes_state(delivery, mapping.changes)
        if isinstance(mapping, Mapped):
            if delivery.row is not None and delivery.row.state is EventState.HELD:
                self._lines.line("event_released", delivery)
            else:
                self._lines.line("decision_made", delivery, outcome="deliver", reason="")
            delivery.items = mapping.items
            if delivery.row is not None:
                delivery.row.mapped_by = self._mapped_by
            self.send(delivery)
            return True
        return self._not_mapped(delivery, mapping)

    def _not_mapped(self, delivery: Delivery, mapping: NotMapped) -> bool:
        match mapping.outcome:
            case Skip(reason=reason):
                delivery.fields.mapped_by = self._mapped_by
                self.decided(delivery, Settled(EventState.SKIPPED, reason))
            case Reject() as reject:
                self.decided(delivery, reject)
            case RetryLater() as later:
                self._outcomes.retry(delivery, later)
            case Pause() as pause:
                self._status.pause(pause)
                self._outcomes.put_back(delivery)
                return False
        return True

    def send(self, delivery: Delivery) -> None:
        """Hand mapped items to the batcher; in a dry run record what would be sent instead."""
        lane = delivery.lane
        assert lane is not None
        if self._is_dry_run:
            self.record_dry_run(delivery)
            self._outcomes.settle(delivery, *DRY_RUN)
        else:
            lane.start(delivery)
            self._batcher.add(delivery, lane.line if delivery.is_parked else Line.LIVE)

    def queued(self, users: Container[str], *, anonymous: bool) -> list[Delivery]:
        """What waits for a request. See `Batcher.queued`."""
        return self._batcher.queued(users, anonymous=anonymous)

    def take_back(self, delivery: Delivery) -> bool:
        """It is not to be sent. False: it does not wait for a request any more, one took it meanwhile."""
        return self._batcher.take_out(delivery)

    def record_dry_run(self, delivery: Delivery) -> None:
        """Keep what would be sent."""
        assert delivery.items is not None
        text = msgspec.json.encode(preview(delivery.items, self._context.destination)).decode()
        now = self._context.clock.now_ms()
        self._work.attempt(AttemptRow(delivery.as_of, now, 0, None, "", "dry_run", text))
