"""Sends again what is done with: dead letters, one event, or a span of the log (also of the time before the destination began).

A job has its own stored position and never moves the cursor. It feeds events to their lanes as parked rows, behind what waits
there, a slice at a time while few of them are on their way; its position goes into the commit that holds those rows. So a crash
goes on where it was, and live traffic keeps its share.

A dead letter's event is dead no longer: it is queued and goes on from there. An event that was settled keeps its state, and its
second sending is counted beside.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from router.clock import Clock, to_iso
from router.deliver.book import Book
from router.deliver.lanes import Lane, Lanes
from router.deliver.settlement import Settlement
from router.deliver.turns import made_by
from router.deliver.turnstile import Turnstile
from router.destinations import Destination
from router.event import show_user_key
from router.plugin import Group
from router.store import MAIN, DeadRow, Letters, LogRow, ParkedRow, ReplayRow, Store
from router.telemetry import Log

SLICE = 100
"""Events fed at once."""
ON_THEIR_WAY = 100
"""Lanes that let parked events go, beyond which nothing is fed."""
TYPES = ("identify", "group", "track", "page", "screen", "alias")
GROUP = ("group",)
FIRST = -(1 << 62)
"""Before every position; what timers sent has positions below 0."""


class Replay:
    """Owned by the worker; only its loop calls this."""

    def __init__(
        self,
        destination: Destination,
        store: Store,
        clock: Clock,
        log: Log,
        book: Book,
        lanes: Lanes,
        settlement: Settlement,
        turnstile: Turnstile,
    ) -> None:
        self._destination, self._store, self._clock, self._log = destination, store, clock, log
        self._book, self._lanes, self._settlement, self._turnstile = book, lanes, settlement, turnstile
        self.job: ReplayRow | None = None

    async def open(self) -> None:
        """Take up what the last process left."""
        self.job = await self._store.replay(self._destination.name)

    @property
    def running(self) -> bool:
        """Whether there is anything left to feed."""
        return self.job is not None and self.job.state == "running"

    # ------------------------------------------------------------ what an operator asks

    async def count_letters(self, which: Letters) -> int:
        """How many dead letters a replay of them would feed."""
        return await self._store.count_letters(self._destination.name, which)

    async def span(self, since_ms: int, until_ms: int) -> tuple[int, int]:
        """The span of the log a replay of this time would feed: what was accepted then, is still retained, and was settled or
        has a row here."""
        first, last = await self._store.span(since_ms, until_ms)
        return first, max(first, min(last, self._book.pos))

    def begin_letters(self, which: Letters, total: int) -> ReplayRow:
        """Feed the dead letters there are now, in order of acceptance."""
        now = self._clock.now_ms()
        which = msgspec.structs.replace(which, until=min(which.until, now + 1))  # what dies again is not fed again
        return self._begin(ReplayRow("dead", which, FIRST, 1 << 62, FIRST, total, 0, "running", now))

    def begin_span(self, since_ms: int, until_ms: int, first: int, last: int) -> ReplayRow:
        """Feed a span of the log in order; where the gate asks for groups, its group calls go first."""
        groups_first = any(isinstance(r, Group) for needs in self._destination.requires.values() for r in needs)
        now = self._clock.now_ms()
        which = Letters(None, since_ms, min(until_ms, now + 1))
        return self._begin(
            ReplayRow("span", which, first, last, first, last - first, 0, "running", now, groups_first=groups_first)
        )

    def _begin(self, job: ReplayRow) -> ReplayRow:
        self.job = job
        self._book.replay(job)
        self._log.emit("replay_started", kind=job.kind, events=job.total)
        return job

    def stop(self) -> None:
        """Feed nothing more. What was fed is on its way."""
        if self.job is not None and self.job.state == "running":
            self._end(self.job, "stopped")

    def _end(self, job: ReplayRow, state: str) -> None:
        job.state, job.ended_at = state, self._clock.now_ms()
        self._book.replay(job)
        self._log.emit("replay_ended", kind=job.kind, reason=state, events=job.fed)

    async def feed_one(self, pos: int) -> bool:
        """Feed one event now. False: it is on its way, or no longer retained."""
        before = self._book.taken_up()
        letters = await self._store.letters(self._destination.name, Letters(), pos - 1, 1)
        found: list[LogRow | DeadRow] = [letter for letter in letters if letter.pos == pos]
        again: frozenset[int] = frozenset()
        if not found and 0 < pos <= self._book.pos:
            rows, _, again, _ = await self._store.settled_rows(self._destination.name, pos - 1, pos, TYPES, 1)
            found = [*rows]
        return await self._feed(found, again, before) > 0

    # ------------------------------------------------------------ feeding

    async def look(self) -> bool:
        """Feed the next slice if there is room for it. True: the job went on."""
        job = self.job
        if job is None or job.state != "running" or self._on_their_way() >= ON_THEIR_WAY:
            return False
        if job.kind == "dead":
            await self._feed_letters(job)
        else:
            await self._feed_span(job)
        if job.state == "running":
            self._book.replay(job)
        return True

    def _on_their_way(self) -> int:
        return sum(1 for lane in self._lanes if lane.draining)

    async def _feed_letters(self, job: ReplayRow) -> None:
        before = self._book.taken_up()
        letters = await self._store.letters(self._destination.name, job.letters, job.pos, SLICE)
        if not letters:
            self._end(job, "done")
            return
        job.fed += await self._feed(letters, frozenset(), before)
        job.pos = letters[-1].pos

    async def _feed_span(self, job: ReplayRow) -> None:
        gated = any(isinstance(r, Group) for needs in self._destination.requires.values() for r in needs)
        types = GROUP if job.groups_first else tuple(t for t in TYPES if t != "group") if gated else TYPES
        before = self._book.taken_up()
        rows, dead, again, upto = await self._store.settled_rows(
            self._destination.name, job.pos, job.last, types, SLICE
        )
        job.fed += await self._feed([dead.get(row.pos, row) for row in rows], again, before)
        job.pos = upto
        if upto < job.last:
            return
        if job.groups_first:
            job.groups_first, job.pos = False, job.first
        else:
            self._end(job, "done")

    async def _feed(self, found: Sequence[LogRow | DeadRow], again: frozenset[int], before: set[int]) -> int:
        """Park these events in their lanes and let the lanes go; returns how many.

        Args:
            before: what was taken up before they were read: the step that took it may have been stored since.
        """
        lanes = [self._lanes.take(row.user_key, loaded=not self._turnstile.may_have_rows) for row in found]
        with self._lanes.in_hand(lanes):
            await self._turnstile.load_lanes(lanes)
            taken, fed = before | self._book.taken_up(), 0
            for row, lane in zip(found, lanes, strict=True):
                if row.pos not in taken:
                    self._park(row, lane, mapped_before=row.pos > self._book.start or row.pos in again)
                    fed += 1
        return fed

    def _park(self, row: LogRow | DeadRow, lane: Lane, *, mapped_before: bool) -> None:
        place, name = self._book.next_place(), made_by(self._destination)
        if isinstance(row, DeadRow):
            self._book.revive(row.pos, row.size)
            pos, origin, linked, items, maker = row.pos, 0, row.linked, row.items, row.made_by
        else:
            pos, origin, linked, items, maker = -place, row.pos, "", None, name if mapped_before else ""
        parked = ParkedRow(
            pos, lane.key, MAIN, place, "queued", "behind_lane", 0, row.received_at, row.source, row.type, row.message_id,
            linked, "", row.body, items, maker, 0, 0, origin,
        )  # fmt: skip
        entry = self._turnstile.entry(parked, lane)
        entry.parked = False  # its row is still to be written
        self._settlement.insert(entry, "behind_lane")
        if self._log.writes("event_replayed"):
            self._log.emit(
                "event_replayed", message_id=row.message_id, source=row.source, user_key=show_user_key(lane.key),
                type=row.type,
            )  # fmt: skip

    # ------------------------------------------------------------ words

    def describe(self) -> dict[str, Any]:
        """For the admin API: the newest replay, and how far it is."""
        job = self.job
        if job is None:
            return {"state": "none"}
        now = self._clock.now_ms()
        took = max(1, (job.ended_at or now) - job.started_at) / 1000
        left = 0 if job.state == "done" else max(0, job.total - (job.fed if job.kind == "dead" else self._passed(job)))
        which = job.letters
        return {
            "state": job.state,
            "dead": job.kind == "dead",
            "reason": which.reason,
            "since": to_iso(which.since) if which.since else None,
            "until": to_iso(which.until),
            "total": job.total,
            "fed": job.fed,
            "remaining": left,
            "per_second": round(job.fed / took, 1),
            "started_at": to_iso(job.started_at),
            "ended_at": to_iso(job.ended_at) if job.ended_at else None,
        }

    @staticmethod
    def _passed(job: ReplayRow) -> int:
        """Positions of the span that are behind it for good; in the round of group calls none are."""
        return 0 if job.groups_first else job.pos - job.first
