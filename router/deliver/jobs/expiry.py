"""Gives up what was held for too long, and drops the oldest dead letters at their bounds. While a destination is disabled
nothing ages."""

from __future__ import annotations

import itertools
from collections import Counter

from router.deliver.context import DeliveryContext, DeliveryState
from router.deliver.lanes.lane import Lane
from router.deliver.lanes.parked_rows import ParkedRows
from router.deliver.settle.event_outcomes import EventOutcomes
from router.deliver.settle.releases import Releases
from router.store import ParkedRow, Slice
from router.vocabulary import EventState, Queue

LANES, ROWS, LETTERS, PAUSE_MS = 100, 50, 500, 60_000
SLICE_MS = 20
"""Between two slices where there is more: about as long as the commit of the first one takes, which the next read must show."""


class Expiry:
    """Owned by the worker; only its loop calls `look`."""

    def __init__(
        self,
        context: DeliveryContext,
        state: DeliveryState,
        rows: ParkedRows,
        outcomes: EventOutcomes,
        releases: Releases,
        disabled: tuple[tuple[int, int], ...],
    ) -> None:
        self._context, self._claim = context, context.claim
        self._name, self._config = context.destination.name, context.destination.config
        self._work, self._lanes = state.work, state.lanes
        self._rows, self._outcomes, self._releases = rows, outcomes, releases
        self._disabled = disabled  #: the times in which the destination was disabled (ms, from and to)
        self.next_look = 0  #: ms

    async def look(self, now: int) -> None:
        """Give up a slice of what is too old by now."""
        if now < self.next_look:
            return
        self.next_look = now + PAUSE_MS
        await self._expire_held(now)
        await self._drop_letters(now)

    async def _expire_held(self, now: int) -> None:
        """Each event's age runs from its own hold. What is released does not expire while it waits for its turn."""
        before = instant_of_age(int(self._config.hold.max_age_s * 1000), now, self._disabled)
        keys = await self._claim.lanes.held_since(before, LANES)
        if len(keys) == LANES:
            self.next_look = now + SLICE_MS
        lanes = [self._lanes.take(key) for key in keys]
        with self._lanes.pinned(lanes):
            await self._rows.load_lanes(lanes)
            for lane in lanes:
                if self._work.is_full:
                    self.next_look = now
                    return
                if lane.held.count and lane.wait.keys and not self._is_busy(lane):
                    [rows] = await self._rows.rows([(lane.key, str(Queue.HELD), -1)], Slice(ROWS))
                    self._expire_lane(lane, rows, before)

    @staticmethod
    def _is_busy(lane: Lane) -> bool:
        return bool(lane.current or lane.blocked_until_commit or lane.deferred)

    def _expire_lane(self, lane: Lane, rows: list[ParkedRow], before: int) -> None:
        is_expired = lambda row: row.state == EventState.HELD and row.parked_at < before  # noqa: E731
        expired = list(itertools.takewhile(is_expired, rows))
        left = rows[len(expired) :]
        for row in expired:
            words = f"held for longer than hold.max_age: {row.reason}"
            self._outcomes.bury(self._rows.delivery(row, lane), "hold_expired", words)
        oldest = (left[0].parked_at if left else before) if lane.held.count else 0
        if lane.held_since != oldest:
            self._work.mark_dirty(lane)  # else its row would be found again and again, in the place of others
        lane.forget_oldest_held(oldest)
        if not lane.rows:
            self._lanes.free(lane)
        elif expired:
            self._releases.ask_again(lane)  # another event is the first now, and may wait for something else

    async def _drop_letters(self, now: int) -> None:
        """Drop the oldest dead letters, a slice at a time, where they are too old or too many bytes. Their events stay dead."""
        bounds, work = self._config.dead, self._work
        before = instant_of_age(int(bounds.max_age_s * 1000), now, self._disabled)
        dropped: Counter[str] = Counter()
        taken_before = work.taken_up()
        oldest = await self._claim.dead_letters.oldest(LETTERS) if work.letters else []
        taken = taken_before | work.taken_up()
        for pos, at, size in oldest:
            reason = "max_age" if at < before else "max_bytes" if work.letter_bytes > bounds.max_bytes else ""
            if not reason:
                break
            if pos not in taken:
                work.remove_letter(pos, size)
                dropped[reason] += 1
        else:
            if len(oldest) == LETTERS:
                self.next_look = min(self.next_look, now + SLICE_MS)
        for reason, n in dropped.items():
            self._context.log.emit("letters_dropped", letters=n, reason=reason)


def instant_of_age(age_ms: int, now: int, disabled: tuple[tuple[int, int], ...]) -> int:
    """The instant since which a destination has been enabled for this long."""
    at, left = now, age_ms
    for began, ended in sorted(disabled, reverse=True):
        enabled = max(0, at - ended)
        if enabled >= left:
            break
        left -= enabled
        at = min(at, began)
    return at - left
