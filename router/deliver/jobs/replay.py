"""Sends again what is done with: dead letters, one event, or a span of the log (also of the time before the destination began).

A job has its own stored position and never moves the cursor. It feeds events to their lanes as parked rows, behind what waits
there, a slice at a time while few of them are on their way; its position goes into the commit that holds those rows. So a crash
goes on where it was, and live traffic keeps its share.

A dead letter's event is dead no longer: it is queued and goes on from there. So is an event that was filtered: it was never sent
here, and is decided anew. Any other event that was settled keeps its state, and its second sending is counted beside.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import msgspec

from router.clock import to_iso
from router.deliver.context import DeliveryContext, DeliveryState
from router.deliver.event_lines import EventLines
from router.deliver.lanes.lane import Lane
from router.deliver.lanes.parked_rows import ParkedRows, call_of
from router.deliver.process.mapper import NO_EVENT, mapped_by
from router.deliver.replay_order import ReplayOrder
from router.deliver.settle.event_outcomes import EventOutcomes
from router.directory import FOLDED, facts
from router.event import is_blocked
from router.store import DeadLetterFilter, DeadRow, DirectoryUpdate, LogRow, ParkedRow, ReplayRow
from router.vocabulary import FOREVER_MS, EventState, Line, Queue

SLICE = 100
"""Events fed at once."""
ON_THEIR_WAY = 100
"""Lanes that let parked events go, beyond which nothing is fed."""
TYPES = ("identify", "group", "track", "page", "screen", "alias")
GROUP = ("group",)
OTHERS = tuple(type for type in TYPES if type != "group")
FIRST = -FOREVER_MS
"""Before every position; what timers sent has positions below 0."""


class Replay:
    """Owned by the worker; only its loop calls this."""

    def __init__(
        self, context: DeliveryContext, state: DeliveryState, rows: ParkedRows, outcomes: EventOutcomes
    ) -> None:
        self._destination, self._context = context.destination, context
        self._letters, self._replays = context.claim.dead_letters, context.claim.replays
        self._clock, self._log = context.clock, context.log
        self._work, self._lanes = state.work, state.lanes
        self._rows, self._outcomes, self._lines = rows, outcomes, EventLines(context.log)
        self.job: ReplayRow | None = None

    async def open(self) -> None:
        """Take up what the last process left."""
        self.job = await self._replays.newest()
        self._work.follow_up(self.job)

    @property
    def running(self) -> bool:
        """Whether there is anything left to feed."""
        return self.job is not None and self.job.state == "running"

    # ------------------------------------------------------------ what an operator asks

    async def count_letters(self, which: DeadLetterFilter) -> int:
        """How many dead letters a replay of them would feed."""
        return await self._letters.count(which)

    async def span(self, since_ms: int, until_ms: int) -> tuple[int, int]:
        """The span of the log a replay of this time would feed: what was accepted then, is still retained, and was settled or
        has a row here."""
        first, last = await self._context.event_log.span(since_ms, until_ms)
        return first, max(first, min(last, self._work.pos))

    async def count_span(self, first: int, last: int) -> dict[str, int]:
        """What a replay of this span would do: `count` events would be sent again. `skipped` and `filtered` ones were not sent and would
        be decided anew. What waits or is on its way stays out of it."""
        found: Counter[str] = Counter()
        after = first
        while after < last:
            counted, after = await self._replays.tally(after, last)
            found.update(counted)
        apart = {state.value: found.pop(state, 0) for state in (EventState.SKIPPED, EventState.FILTERED)}
        return {"count": found.total(), **apart}

    def begin_letters(self, which: DeadLetterFilter, total: int) -> ReplayRow:
        """Feed the dead letters there are now, in order of acceptance."""
        now = self._clock.now_ms()
        which = msgspec.structs.replace(which, until=min(which.until, now + 1))  # what dies again is not fed again
        job = ReplayRow("dead", which, FIRST, FOREVER_MS, FIRST, total, 0, "running", now)
        return self._begin(job)

    def begin_span(self, order: ReplayOrder, first: int, last: int) -> ReplayRow:
        """Feed a span of the log in order; where the gate asks for groups, its group calls go first."""
        now = self._clock.now_ms()
        which = DeadLetterFilter(None, order.since_ms, min(order.until_ms, now + 1))
        job = ReplayRow("span", which, first, last, first, last - first, 0, "running", now, filtered=order.filtered)
        job.groups_pos = first if self._destination.is_gated else last
        return self._begin(job)

    def _begin(self, job: ReplayRow) -> ReplayRow:
        self.job = job
        job.from_place = self._work.next_order_key()
        self._work.replay(job)
        self._log.emit("replay_started", kind=job.kind, events=job.total)
        return job

    def stop(self) -> None:
        """Feed nothing more. What was fed is on its way."""
        if self.job is not None and self.job.state == "running":
            self._end(self.job, "stopped")

    def _end(self, job: ReplayRow, state: str) -> None:
        job.state, job.ended_at = state, self._clock.now_ms()
        self._work.replay(job)
        self._log.emit("replay_ended", kind=job.kind, reason=state, events=job.fed)

    async def may_feed(self, pos: int) -> bool:
        """Whether `feed_one` would feed it."""
        before = self._work.taken_up()
        found, _ = await self._find(pos)
        return any(row.pos not in before and not _has_nothing_to_send(row) for row in found)

    async def feed_one(self, pos: int) -> bool:
        """Feed one event now. False: it is on its way, or no longer retained."""
        before = self._work.taken_up()
        found, again = await self._find(pos)
        return await self._feed(found, again, before, is_by_hand=True) > 0

    async def _find(self, pos: int) -> tuple[list[LogRow | DeadRow], frozenset[int]]:
        """The event at a position, if it is done with; and whether it was sent late before."""
        letters = await self._letters.page(DeadLetterFilter(), pos - 1, 1)
        found: list[LogRow | DeadRow] = [letter for letter in letters if letter.pos == pos]
        again: frozenset[int] = frozenset()
        if not found and 0 < pos <= self._work.pos:
            rows, _, again, _ = await self._replays.settled(pos - 1, pos, TYPES, 1)
            found = [*rows]
        return found, again

    # ------------------------------------------------------------ feeding

    async def look(self) -> bool:
        """Feed the next slice if there is room for it. True: the job went on."""
        job = self.job
        if job is None or job.state != "running" or self._lanes.draining[Line.RELEASE] >= ON_THEIR_WAY:
            return False
        if job.kind == "dead":
            await self._feed_letters(job)
        else:
            await self._feed_span(job)
        if job.state == "running":
            self._work.replay(job)
        return True

    async def _feed_letters(self, job: ReplayRow) -> None:
        before = self._work.taken_up()
        letters = await self._letters.page(job.letters, job.pos, SLICE)
        if not letters:
            self._end(job, "done")
            return
        job.fed += await self._feed(letters, frozenset(), before)
        job.pos = letters[-1].pos

    async def _feed_span(self, job: ReplayRow) -> None:
        """A slice of the round of group calls, or of the rest. The log is kept from `pos` on, which stays at the beginning
        of the span while the group calls go."""
        is_group_round = job.groups_pos < job.last
        after = job.groups_pos if is_group_round else job.pos
        types = GROUP if is_group_round else OTHERS if self._destination.is_gated else TYPES
        before = self._work.taken_up()
        rows, dead, again, upto = await self._replays.settled(after, job.last, types, SLICE)
        found = [dead.get(row.pos, row) for row in rows]
        job.fed += await self._feed(found, again, before, only_filtered=job.filtered)
        if is_group_round:
            job.groups_pos = upto
            return
        job.pos = upto
        if upto >= job.last:
            self._end(job, "done")

    async def _feed(
        self,
        found: Sequence[LogRow | DeadRow],
        again: frozenset[int],
        before: set[int],
        *,
        only_filtered: bool = False,
        is_by_hand: bool = False,
    ) -> int:
        """Park these events in their lanes and let the lanes go; returns how many.

        Args:
            before: what was taken up before they were read: the commit that took it may have been stored since.
            is_by_hand: they are no part of the job.
        """
        filtered = await self._filtered([row.pos for row in found if isinstance(row, LogRow)])
        found = [row for row in found if row.pos in filtered] if only_filtered else found
        lanes = [self._lanes.take(row.user_key) for row in found]
        with self._lanes.pinned(lanes):
            await self._rows.load_lanes(lanes)
            await self._teach(found)
            taken, fed = before | self._work.taken_up(), 0
            for row, lane in zip(found, lanes, strict=True):
                if row.pos in taken or _has_nothing_to_send(row):
                    continue
                is_own = row.pos > self._work.start  # what came before this destination began is counted nowhere here
                place = self._place(is_by_hand=is_by_hand)
                if row.pos in filtered and is_own:
                    self._work.requeue_filtered()
                    self._park(row, lane, place, is_first=True)
                else:
                    self._park(row, lane, place, was_mapped=(is_own or row.pos in again) and row.pos not in filtered)
                fed += 1
        return fed

    def _place(self, *, is_by_hand: bool) -> int:
        """A place for the next event. The job knows its own ones by their places."""
        place, job = self._work.next_order_key(), self.job
        if job is not None and not is_by_hand:
            job.upto_place = place
        elif job is not None and job.state == "running":
            job.by_hand.append(place)
        return place

    async def _teach(self, found: Sequence[LogRow | DeadRow]) -> None:
        """Tell the directory what it was not told of calls that a tracking plan blocked, and lets through now. Before they are fed,
        since what they tell is looked up at their turn."""
        taught: list[tuple[int, DirectoryUpdate]] = []
        for row in found:
            if isinstance(row, LogRow) and row.type in FOLDED and is_blocked(row.body):
                call = call_of(row)
                call.body = self._context.plans.judged_again(call)
                if (told := facts(call)) is not None:
                    taught.append((row.pos, told))
        if taught:
            await self._replays.teach(taught)

    async def _filtered(self, positions: Sequence[int]) -> frozenset[int]:
        """Those of these events that were filtered, also by a commit that is not stored yet."""
        if not positions:
            return frozenset()
        unstored = [
            batch.settled | {late.pos: (late.state, late.reason) for late in batch.late}
            for batch in self._work.unstored()
        ]
        found = await self._replays.filtered(positions)
        newer = {pos: outcome[0] for settled in unstored for pos, outcome in settled.items()}
        return frozenset(pos for pos in positions if newer.get(pos, "filtered" if pos in found else "") == "filtered")

    def _park(
        self, row: LogRow | DeadRow, lane: Lane, order_key: int, *, was_mapped: bool = False, is_first: bool = False
    ) -> None:
        """`is_first`: it was never sent here, so this is no second sending."""
        name = mapped_by(self._destination)
        if isinstance(row, DeadRow):
            self._work.requeue_letter(row)
            is_judged = row.type not in NO_EVENT and self._context.plans.of(row.source) is not None
            items = None if is_judged else row.items  # else what was mapped would go out whatever the plan says now
            pos, origin = (-order_key, row.pos) if row.again else (row.pos, 0)
            linked, maker = row.linked, row.made_by
        elif is_first:
            pos, origin, linked, items, maker = row.pos, 0, "", None, ""
        else:
            pos, origin, linked, items, maker = -order_key, row.pos, "", None, name if was_mapped else ""
        parked = ParkedRow(
            pos=pos,
            user_key=lane.key,
            queue=Queue.MAIN,
            place=order_key,
            state="queued",
            reason="behind_lane",
            parked_at=0,
            received_at=row.received_at,
            source=row.source,
            type=row.type,
            message_id=row.message_id,
            linked=linked,
            given="",
            body=row.body,
            items=items,
            made_by=maker,
            attempts=0,
            first_at=0,
            origin=origin,
        )
        delivery = self._rows.delivery(parked, lane, is_parked=False)
        self._outcomes.insert(delivery, "behind_lane", Line.RELEASE)
        self._lines.line("event_replayed", delivery)

    # ------------------------------------------------------------ words

    def describe(self) -> dict[str, Any]:
        """For the admin API: the newest replay, and how far it is."""
        return describe_replay(self.job, self._clock.now_ms())


def describe_replay(job: ReplayRow | None, now_ms: int) -> dict[str, Any]:
    """A replay, and how far it is, for the admin API."""
    if job is None:
        return {"state": "none"}
    took = max(1, (job.ended_at or now_ms) - job.started_at) / 1000
    # Of a span: positions that are behind it for good. In its round of group calls that is none, and some are fed.
    passed = job.fed if job.kind == "dead" else max(job.fed, job.pos - job.first)
    left = 0 if job.state == "done" else max(0, job.total - passed)
    which = job.letters
    return {
        "state": job.state,
        "dead": job.kind == "dead",
        "filtered": job.filtered,
        "reason": which.reason,
        "since": to_iso(which.since) if which.since else None,
        "until": to_iso(which.until),
        "total": job.total,
        "fed": job.fed,
        "left_out": max(0, job.total - job.fed - left),
        "remaining": left,
        "per_second": round(job.fed / took, 1),
        "became": {state: n for state in EventState if (n := job.became.get(state, 0)) > 0},
        "started_at": to_iso(job.started_at),
        "ended_at": to_iso(job.ended_at) if job.ended_at else None,
    }


def _has_nothing_to_send(row: LogRow | DeadRow) -> bool:
    """The letter of a timer whose hook failed: no event to map again, and no items. It stays a dead letter."""
    return isinstance(row, DeadRow) and row.type in NO_EVENT and row.items is None
