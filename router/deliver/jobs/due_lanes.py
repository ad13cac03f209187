"""Lanes whose time has come start to drain: retries, and those that were released. Each line has places of its own.

What is due stands in rows; memory knows only when to look next.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from router.deliver.context import DeliveryContext, DeliveryState
from router.deliver.lanes.lane import Lane
from router.deliver.lanes.parked_rows import ParkedRows
from router.store import CommitBatch
from router.vocabulary import LaneMode, Line

DRAINING, REFILL = 200, 100
"""Lanes of a line that drain at the same time; as many of these must be done before the next ones are looked for."""

Group = tuple[str, tuple[Line, ...]]
GROUPS: tuple[Group, ...] = ((LaneMode.RETRY, (Line.RETRY, Line.LIVE)), (LaneMode.WAITING, (Line.RELEASE,)))
"""The mode of a lane's row, and the lines in which such lanes drain."""


class DueLanes:
    """Owned by the worker; only its loop calls `look`."""

    def __init__(self, context: DeliveryContext, state: DeliveryState, rows: ParkedRows) -> None:
        self._stored_lanes = context.claim.lanes
        self._lanes, self._run_queue = state.lanes, state.run_queue
        self._work = state.work
        self._rows = rows
        self._next_due: dict[str, int | None] = {mode: 0 for mode, _ in GROUPS}
        self._held_back: dict[str, int] = {}  #: more lanes are due than may drain; how many had drained then
        self._after_commit: set[str] = set()  #: what rows call due is done in memory: look when the rows say so, too
        self._commits = 0

    @property
    def next_look(self) -> int | None:
        """When to look again (ms)."""
        return min((at for at in self._next_due.values() if at is not None), default=None)

    def expect(self, mode: str, at: int | None) -> None:
        """A lane is due then; look at that time at the latest."""
        before = self._next_due[mode]
        if at is not None:
            self._next_due[mode] = at if before is None else min(at, before)

    def stored(self, batch: CommitBatch, lanes: Iterable[Lane]) -> None:
        """A commit is done: what it made due is looked for."""
        self._commits += 1
        for mode in self._after_commit:
            self.expect(mode, 0)
        self._after_commit.clear()
        if batch.opened:
            self.expect(LaneMode.WAITING, 0)
        if batch.retries_due:
            self.expect(LaneMode.RETRY, 0)
        for lane in lanes:
            if not lane.is_draining and lane.due_at is not None:
                for mode, _ in GROUPS:
                    self.expect(mode, lane.due_at)

    async def look(self, now: int) -> None:
        """Set in motion what is due by now."""
        for mode, lines in GROUPS:
            if self._has_places_again(mode, lines):
                self._next_due[mode] = now
            at = self._next_due[mode]
            if at is not None and at <= now:
                self._next_due[mode] = None
                await self._activate(mode, lines, now)

    def _has_places_again(self, mode: str, lines: tuple[Line, ...]) -> bool:
        before = self._held_back.get(mode)
        if before is None or self._drained(lines) - before < min(REFILL, max(1, DRAINING // 2)):
            return False
        del self._held_back[mode]
        return True

    def _drained(self, lines: tuple[Line, ...]) -> int:
        return sum(self._lanes.drained[line] for line in lines)

    def _draining(self, lines: tuple[Line, ...]) -> int:
        return sum(self._lanes.draining[line] for line in lines)

    async def _activate(self, mode: str, lines: tuple[Line, ...], now: int) -> None:
        limit, commits = DRAINING + self._draining(lines), self._commits
        keys = await self._stored_lanes.due(mode, now, limit)
        started = await self._drain(keys, lines, now)
        later = await self._stored_lanes.next_due(mode, now)
        if self._draining(lines) >= DRAINING:
            self._held_back[mode] = self._drained(lines)  # the rest when some of these are done
        elif len(keys) >= limit:
            if started or self._commits != commits:  # a commit since then is not in what was read
                later = now
            else:
                self._after_commit.add(mode)
        self.expect(mode, later)

    async def _drain(self, keys: Sequence[str], lines: tuple[Line, ...], now: int) -> int:
        """Let these drain, as many as may. Returns how many began to."""
        started = 0
        lanes = [lane for key in keys if not (lane := self._lanes.take(key)).is_draining]  # theirs are due, too
        with self._lanes.pinned(lanes):
            await self._rows.load_lanes(lanes)  # read anew: a row may have changed while it was on its way
            for lane in lanes:
                if self._draining(lines) >= DRAINING:
                    break
                if not lane.is_draining and lane.due_at is not None and lane.due_at <= now and lane.rows:
                    self._lanes.drain(lane, lane.line if lane.line in lines else lines[0], now)
                    self._run_queue.add(lane)
                    started += 1
        return started
