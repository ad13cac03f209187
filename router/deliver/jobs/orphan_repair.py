"""After a start: parked rows without a lane get one, and lanes that wait for nothing are made due.

Whatever caused that, no event may wait for ever; the log says how many users it concerned.
"""

from __future__ import annotations

from router.deliver.context import DeliveryContext, DeliveryState
from router.deliver.lanes.parked_rows import ParkedRows
from router.deliver.settle.releases import Releases
from router.event import show_user_key
from router.logger import cut
from router.vocabulary import Line

USERS = 500
"""With parked rows, that are looked at in one go."""


class OrphanRepair:
    """Owned by the worker; only its loop calls `look`, a slice of users at a time."""

    def __init__(self, context: DeliveryContext, state: DeliveryState, rows: ParkedRows, releases: Releases) -> None:
        self._stored_lanes, self._log = context.claim.lanes, context.log
        self._lanes, self._run_queue, self._rows, self._releases = state.lanes, state.run_queue, rows, releases
        self._work = state.work
        self._looked_upto: str | None = ""  #: user key; None: all were looked at

    async def open(self) -> None:
        """Make lanes due that are blocked and never due, or hold something and wait for nothing."""
        before, after = self._rows.repaired, ""
        while stuck := await self._stored_lanes.stuck(after, USERS):
            after = stuck[-1]
            for key in stuck:
                async with self._rows.lane(key) as lane:
                    if lane.rows and not lane.is_draining:
                        self._releases.drain(lane, lane.line)
        repaired = self._rows.repaired - before
        if repaired:
            self._log.emit("lanes_repaired", users=repaired)

    async def look(self) -> None:
        """Give a due lane to parked rows that have none."""
        if self._looked_upto is None:
            return
        given: list[str] = []
        found, self._looked_upto = await self._stored_lanes.without_lane(self._looked_upto, USERS)
        for key, (held, main, since) in found.items():
            async with self._rows.lane(key) as lane:
                if lane.rows or lane.uncommitted or lane.current:
                    continue  # it has a lane by now; what that does not count is found after the next start
                lane.adopt_rows(held, main, since)
                self._lanes.may_have_rows = True
                self._releases.drain(lane, Line.LIVE)
                given.append(key)
        if given:
            self._log.emit("lanes_given", users=len(given), user_key=cut(show_user_key(given[0])))
        if self._looked_upto is not None:
            self._run_queue.wake()
