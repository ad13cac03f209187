"""After a start: what cannot be is put right. Parked rows without a lane get one, lanes count the rows that there are, those that wait for
nothing are made due, and the counts of the ledger agree with the rows.

Whatever caused that, no event may wait for ever; the log says how many users it concerned.
"""

from __future__ import annotations

from router.deliver.context import DeliveryContext, DeliveryState
from router.deliver.lanes.lane import Lane
from router.deliver.lanes.parked_rows import ParkedRows
from router.deliver.settle.releases import Releases
from router.event import show_user_key
from router.logger import cut
from router.store import Miscounted
from router.vocabulary import LaneState, Line

USERS = 500
"""With parked rows, that are looked at in one go."""


class OrphanRepair:
    """Owned by the worker; only its loop calls `look`, a slice of users at a time."""

    def __init__(self, context: DeliveryContext, state: DeliveryState, rows: ParkedRows, releases: Releases) -> None:
        self._claim, self._log = context.claim, context.log
        self._lanes, self._run_queue, self._rows, self._releases = state.lanes, state.run_queue, rows, releases
        self._work = state.work
        self._looked_upto: str | None = ""  #: user key; None: all were looked at

    async def open(self) -> None:
        """Make lanes due that are blocked and never due, or hold something and wait for nothing."""
        before, after = self._rows.repaired, ""
        while stuck := await self._claim.lanes.stuck(after, USERS):
            after = stuck[-1]
            for key in stuck:
                async with self._rows.lane(key) as lane:
                    if lane.rows and not lane.is_draining:
                        self._releases.drain(lane, lane.line)
        repaired = self._rows.repaired - before
        if repaired:
            self._log.emit("lanes_repaired", users=repaired)

    async def look(self) -> None:
        """Give a due lane to parked rows that have none, and have lanes count the rows that there are."""
        if self._looked_upto is None:
            return
        told: dict[str, list[str]] = {"lanes_given": [], "lanes_repaired": []}
        found, self._looked_upto = await self._claim.lanes.miscounted(self._looked_upto, USERS)
        for key, rows in found.items():
            async with self._rows.lane(key) as lane:
                if lane.current or lane.deferred or lane.is_migrating:
                    continue  # found again after the next start
                self._correct(lane, rows)
                told["lanes_repaired" if rows.has_lane else "lanes_given"].append(key)
        for event, keys in told.items():
            if keys:
                self._log.emit(event, users=len(keys), user_key=cut(show_user_key(keys[0])))
        if self._looked_upto is not None:
            self._run_queue.wake()

    def _correct(self, lane: Lane, rows: Miscounted) -> None:
        """Row and rows change in one commit, so the difference is the same whatever was stored since it was read."""
        lane.adopt_rows(rows.held, rows.main, rows.held_since)
        self._lanes.may_have_rows = True
        if not lane.rows:
            self._lanes.free(lane)
            self._run_queue.add(lane)
        elif not (lane.state is LaneState.BLOCKED and lane.due_at):
            self._releases.drain(lane, Line.LIVE)
        self._work.mark_dirty(lane)

    async def recount(self) -> None:
        """Correct the counts of the ledger. Beside the loop, since it may take long."""
        changes = await self._claim.miscounts()
        if changes:
            self._work.correct(changes)
            self._log.emit("counters_repaired", **changes)
