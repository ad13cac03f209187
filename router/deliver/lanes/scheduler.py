"""Lets the lanes that want a turn take it, batch by batch.

What their decisions may ask for is loaded first, in few trips to the store; then lane after lane takes its turns in one
synchronous stretch, in the order of the log. Live lanes, retries and releases each get a batch in every round.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from router.deliver.context import DeliveryState
from router.deliver.lanes.delivery import Delivery
from router.deliver.lanes.lane import Lane
from router.deliver.lanes.lane_runner import LaneRunner
from router.deliver.lanes.parked_rows import ParkedRows
from router.deliver.process.prepare import Preparer
from router.plugin_host.hook_watch import HookWatch, PassSize
from router.store import Slice
from router.vocabulary import Line, Queue

LIVE_LANES, RETRY_LANES, RELEASE_LANES = 500, 100, 100
"""Lanes of each line that take turns in one round. A round of released ones is what a live event may have to wait for."""


class Scheduler:
    """Owned by the worker; only its loop calls it."""

    def __init__(
        self,
        state: DeliveryState,
        rows: ParkedRows,
        preparer: Preparer,
        runner: LaneRunner,
        watch: HookWatch,
        is_full: Callable[[Line], bool],
    ) -> None:
        self._watch, self._size = watch, PassSize()
        self._is_full = is_full  #: whether there is no room for the items of a line
        self.awaits_room = False  #: live lanes want a turn and have none for want of room
        self._work, self._lanes, self._run_queue = state.work, state.lanes, state.run_queue
        self._rows, self._preparer, self._runner, self._merge = rows, preparer, runner, runner.merge

    async def take_turns(self) -> bool:
        """Give turns to the lanes that want one. False: none does."""
        self._wake_those_read_up_to()
        worked = False
        for line, most in ((Line.LIVE, LIVE_LANES), (Line.RETRY, RETRY_LANES), (Line.RELEASE, RELEASE_LANES)):
            lanes = [] if self._is_full(line) else self._run_queue.take(line, min(most, self._size.events))
            if lanes:
                await self._give_turns(lanes, line)
                worked = True
        self.awaits_room = self._is_full(Line.LIVE) and self._run_queue.has(Line.LIVE)
        return worked

    async def gate_is_open(self, lane: Lane) -> bool:
        """Whether the first event this lane holds could go out now."""
        rows = (await self._rows.rows([(lane.key, str(Queue.HELD), -1)], Slice(1)))[0]
        if not rows:
            return False
        delivery = self._rows.delivery(rows[0], lane)
        delivery.items = None
        prepared = await self._preparer.prepare([delivery])
        return self._runner.gate_is_open(delivery, prepared)

    def stored(self) -> None:
        """A commit is done: lanes whose rows were changed in bulk may be read again."""
        lanes, self._runner.after_commit = self._runner.after_commit, {}
        for lane in lanes:
            self._run_queue.add(lane)

    def _wake_those_read_up_to(self) -> None:
        unread = self._runner.unread
        for lane in [lane for lane, pos in unread.items() if pos <= self._work.read_pos]:
            del unread[lane]
            self._run_queue.add(lane)

    async def _give_turns(self, lanes: Sequence[Lane], line: Line) -> None:
        runner = self._runner
        with self._lanes.pinned(lanes):
            await self._rows.load_lanes(lanes)
            draining = [lane for lane in lanes if lane.is_draining and lane.current is None]
            for lane in await self._rows.read_ahead(draining):
                runner.await_commit(lane)
            candidates = [delivery for lane in lanes for delivery in runner.candidates(lane)]
            prepared = await self._preparer.prepare(candidates)
            beside = self._merge.lanes_beside(candidates, prepared.known)
            with self._lanes.pinned(beside):
                await self._rows.load_lanes(beside)
                prepared = await self._preparer.with_owners(prepared, beside)
                self._watch.start_slice()
                left: set[Lane] = set()
                for lane in sorted(lanes, key=_first_pos):
                    if self._watch.is_over or self._is_full(line):
                        left.add(lane)
                        self._run_queue.add(lane)
                    else:
                        runner.run(lane, prepared)
                if self._is_full(line):
                    _drop(left, candidates)
                self._size.ended(len(lanes) - len(left), is_over=bool(left))


def _drop(lanes: set[Lane], candidates: Iterable[Delivery]) -> None:
    """These lanes wait until requests are done: what was read and opened for their turn must not wait with them."""
    for delivery in candidates:
        if delivery.lane in lanes:
            delivery.event = None
    for lane in lanes:
        if lane.is_draining:
            lane.drop_read_ahead()


def _first_pos(lane: Lane) -> int:
    return lane.waiting[0].pos if lane.waiting else 0
