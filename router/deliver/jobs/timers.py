"""Timers of keyed state: when one is due, the plugin's hook is called and its items park in the lane of the event that set it."""

from __future__ import annotations

import asyncio

from router.deliver.context import DeliveryContext, DeliveryState
from router.deliver.lanes.lane import Lane
from router.deliver.lanes.parked_rows import ParkedRows
from router.deliver.process.mapper import WAKE, Mapped, Mapper, Mapping, NotMapped, mapped_by, wake_id
from router.deliver.send.backoff import ASKED_CAP_S
from router.deliver.settle.event_outcomes import EventOutcomes
from router.deliver.settle.status_changes import StatusChanges
from router.plugin import Pause, Reject, RetryLater
from router.store import CommitBatch, ParkedRow
from router.vocabulary import FOREVER_MS, Line, Queue

TIMERS = 500
AGAIN_S = 60.0
"""A timer hook that cannot answer now is called again after this, unless it says when."""
PAUSE_MS = 250
"""A timer that is due but not at its turn is looked at again after this, and what is due beyond a slice."""


class Timers:
    """Owned by the worker; only its loop calls `look`."""

    def __init__(
        self,
        context: DeliveryContext,
        state: DeliveryState,
        rows: ParkedRows,
        mapper: Mapper,
        outcomes: EventOutcomes,
        status: StatusChanges,
    ) -> None:
        self._context, self._claim = context, context.claim
        self._name, self._hooks = context.destination.name, context.destination.hooks
        self._work, self._rows, self._mapper = state.work, rows, mapper
        self._outcomes = outcomes
        self._status = status
        self.next_look: int | None = 0  #: ms

    def expect(self, at: int | None) -> None:
        """A timer is due then; look at that time at the latest."""
        if at is not None:
            self.next_look = at if self.next_look is None else min(at, self.next_look)

    def stored(self, batch: CommitBatch) -> None:
        """A commit is done: what it set is looked for."""
        for timer in batch.timers.values():
            self.expect(timer[0] if timer is not None else None)

    async def look(self, now: int) -> None:
        """Call the hook for what is due by now."""
        if self.next_look is None or self.next_look > now:
            return
        self.next_look = None
        if WAKE in self._hooks:
            unstored = self._work.unstored()
            due = await self._claim.keyed_state.due_timers(now, TIMERS)
            if len(due) == TIMERS:
                self.expect(now + PAUSE_MS)  # there may be more
            watch = self._context.destination.watch
            for key, due_at, user_key in due:
                if watch.is_over:
                    await asyncio.sleep(0)
                    watch.start_slice()
                if self._work.is_full:  # the others when a commit has taken these
                    self.expect(now)
                    break
                is_newer = self._work.is_state_open(key) or any(key in batch.timers for batch in unstored)
                async with self._rows.lane(user_key) as lane:
                    if is_newer or not self._is_its_turn(lane, due_at):
                        self.expect(now + PAUSE_MS)
                    else:
                        await self._wake(lane, key, due_at, now)
        self.expect(await self._claim.keyed_state.next_timer(now))

    def _is_its_turn(self, lane: Lane, due_at: int) -> bool:
        """A timer takes its turn in its lane, behind everything accepted before it was due: that may set it anew."""
        has_unread = self._context.event_log.head > self._work.read_pos and self._work.read_at < due_at
        is_busy = lane.current or lane.waiting or lane.main.count or lane.deferred or lane.linking or lane.is_migrating
        return not (has_unread or is_busy)

    async def _wake(self, lane: Lane, key: str, due_at: int, now: int) -> None:
        await self._mapper.plugin_state.load([key])
        known = await self._claim.directory.known([(lane.key, FOREVER_MS)], [])
        mapping = self._mapper.wake(key, due_at, lane.key, known)
        if mapping.changes is not None:
            for name, value in mapping.changes.values.items():
                self._work.remember(name, value)
            for name, timer in mapping.changes.timers.items():
                self._work.timer(name, timer)
        if isinstance(mapping, NotMapped) and isinstance(mapping.outcome, RetryLater | Pause):
            outcome = mapping.outcome
            asked = outcome.after_s if outcome.after_s is not None and outcome.after_s > 0 else AGAIN_S
            self._work.timer(key, (now + int(1000 * min(asked, ASKED_CAP_S)), lane.key))
            if isinstance(outcome, Pause):
                self._status.pause(outcome)
        else:
            self._park(lane, key, due_at, mapping)

    def _park(self, lane: Lane, key: str, due_at: int, mapping: Mapping) -> None:
        order_key = self._work.next_order_key()
        row = ParkedRow(
            pos=-order_key,
            user_key=lane.key,
            queue=Queue.MAIN,
            place=order_key,
            state="queued",
            reason=WAKE,
            parked_at=0,
            received_at=due_at,
            source="",
            type=WAKE,
            message_id=wake_id(self._name, key, due_at),
            linked="",
            given="",
            body=b"",
            items=None,
            made_by=mapped_by(self._context.destination),
            attempts=0,
            first_at=0,
        )
        delivery = self._rows.delivery(row, lane, is_parked=False)
        if isinstance(mapping, Mapped):
            delivery.items = mapping.items
            self._outcomes.insert(delivery, WAKE, Line.LIVE)
            self._work.read_after_commit(
                lane
            )  # sent before it is stored, a crash would tell it once more and otherwise
        elif isinstance(mapping.outcome, Reject):
            self._work.bury(delivery, mapping.outcome.reason, mapping.outcome.detail)
