"""Takes out what waits of users who have withdrawn a consent that this destination needs. Nothing where consent is not followed.

A withdrawal is found by its position. It is looked at as soon as it is accepted, also while the destination is paused: rows go, and
what waits for a request. It is looked at once more when the cursor has passed it: what was accepted before it and read after the
first look waits by then. What a crash leaves undone is looked at after the next start, and asked in any case before it is sent.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeGuard

from router.consent import WITHDRAWN
from router.decide.decide import Deliver, Settled, Undecided
from router.deliver.context import DeliveryContext, DeliveryState
from router.deliver.lanes.lane import Lane
from router.deliver.lanes.parked_rows import ParkedRows
from router.deliver.process.prepare import Preparer
from router.deliver.settle.releases import Releases
from router.deliver.settle.turns import TurnHandler
from router.plugin import Reject
from router.store import ParkedRow, Slice
from router.vocabulary import EventState, Queue

USERS, ROWS = 200, 200
"""Looked at in one go: users who have withdrawn something, and waiting events of one of them."""


class Withdrawals:
    """Owned by the worker; only its loop calls `look`."""

    def __init__(
        self,
        context: DeliveryContext,
        state: DeliveryState,
        rows: ParkedRows,
        preparer: Preparer,
        turns: TurnHandler,
        releases: Releases,
    ) -> None:
        consent = context.destination.consent
        self._follows = consent is not None and consent.follows
        self._event_log, self._claim = context.event_log, context.claim
        self._work, self._lanes, self._run_queue = state.work, state.lanes, state.run_queue
        self._rows, self._preparer, self._turns, self._releases = rows, preparer, turns, releases
        self._accepted = 0  #: withdrawals up to this position were looked at when they were accepted
        self._passed = state.work.pos  #: and those up to this one when the cursor had passed them
        self._newest = 0  #: the newest one that was found
        self._again: dict[str, None] = {}  #: users of whom something is in flight, or whose rows are being written

    async def look(self) -> bool:
        """Take out what waits of some users who have withdrawn something. True: there are more."""
        if not self._follows or self._work.is_full:
            return False
        again, self._again = self._again, {}
        self._accepted, accepted = await self._next(self._accepted, self._event_log.head)
        passed: list[str] = []
        if self._newest > self._passed:
            self._passed, passed = await self._next(self._passed, self._work.pos)
        else:
            self._passed = self._work.pos
        keys = list(dict.fromkeys([*again, *accepted, *passed]))
        if keys:
            await self._take_out_of_batcher(keys)
            own = [key for key in keys if self._work.share.has(key)]
            if own and (self._lanes.may_have_rows or len(self._lanes)):
                await self._take_out_of_all(own)
        return len(accepted) + len(passed) > 0

    async def _next(self, after: int, upto: int) -> tuple[int, list[str]]:
        """The next users behind a position, and the position up to which these are all."""
        if after >= upto:
            return after, []
        found = await self._claim.directory.withdrawals(after, upto, USERS)
        self._newest = max(self._newest, found[-1][0] if found else 0)
        if len(found) == USERS:  # the last position may have more of them: it comes with the next slice
            upto = found[-1][0] - 1
        return upto, [key for pos, key in found if pos <= upto]

    async def _take_out_of_batcher(self, keys: Sequence[str]) -> None:
        """What was mapped and waits for a request: for the rate of the destination, say, or for the end of a pause. An anonymousId may
        belong to one of these users, also to one of another shard."""
        queued = self._turns.queued(frozenset(keys), anonymous=any(key.startswith("u:") for key in keys))
        if not queued:
            return
        turns = (await self._preparer.prepare(queued)).turns
        for delivery in queued:
            decision = turns[id(delivery)].decision
            if not _is_withdrawn(decision):
                continue
            if self._work.is_full:
                self._again[delivery.user_key] = None
            elif self._turns.take_back(delivery):
                lane = self._lanes.take(delivery.user_key)
                lane.finish(delivery)
                self._turns.decided(delivery, decision)
                self._run_queue.add(lane)

    async def _take_out_of_all(self, keys: Sequence[str]) -> None:
        let_go = self._lanes.watch_let_go()
        loaded = await self._claim.lanes.load(keys)
        self._lanes.unwatch_let_go()
        for key in keys:
            if key in self._lanes.in_flight:
                self._again[key] = None
            elif key in loaded or key in let_go or key in self._lanes:
                async with self._rows.lane(key) as lane:
                    if lane.rows:
                        await self._take_out(lane)

    async def _take_out(self, lane: Lane) -> None:
        if lane.current or lane.deferred or lane.blocked_until_commit or self._work.is_full:
            self._again[lane.key] = None
            return
        rows_before, left = lane.rows, list[ParkedRow]()
        for queue in (Queue.HELD, Queue.MAIN):
            left += await self._take_out_of_queue(lane, queue)
        if lane.rows == rows_before:
            return
        lane.leave_bound()  # fewer stand behind the event that is tried again
        for queue in (Queue.HELD, Queue.MAIN):
            lane.rewind(queue, 0)
        if not lane.rows:
            self._lanes.free(lane)
            self._work.mark_dirty(lane)
        elif lane.held.count:  # another event is the first now, and may wait for something else
            lane.forget_oldest_held(min((row.parked_at for row in left if row.state == EventState.HELD), default=0))
            self._releases.ask_again(lane)
        self._run_queue.add(lane)

    async def _take_out_of_queue(self, lane: Lane, queue: Queue) -> list[ParkedRow]:
        """Returns the rows that stay. What is too much for one commit is left for the next look."""
        left: list[ParkedRow] = []
        after = -1
        while rows := (await self._rows.rows([(lane.key, str(queue), after)], Slice(ROWS)))[0]:
            after = rows[-1].place
            deliveries = [self._rows.delivery(row, lane) for row in rows]
            turns = (await self._preparer.prepare(deliveries)).turns
            for row, delivery in zip(rows, deliveries, strict=True):
                decision = turns[id(delivery)].decision
                if _is_withdrawn(decision):
                    self._turns.decided(delivery, decision)
                else:
                    left.append(row)
            if self._work.is_full:
                self._again[lane.key] = None
                break
        return left


def _is_withdrawn(decision: Settled | Deliver | Undecided | Reject) -> TypeGuard[Settled]:
    return isinstance(decision, Settled) and decision.reason == WITHDRAWN
