"""The turnstile of one destination: lets the lanes that want a turn take it, batch by batch.

What their decisions may ask for is loaded first, in few trips to the store; then lane after lane takes its turns in one
synchronous stretch, in the order of the log.
"""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

import msgspec

from router.deliver.book import Book
from router.deliver.joins import Joins
from router.deliver.lanes import Entry, Lane, Lanes, Ready
from router.deliver.overlay import Overlay
from router.deliver.pace import Pace
from router.deliver.settlement import Settlement
from router.deliver.turns import WAKE, Blocked, Turns, made_by
from router.destinations import Destination
from router.plugin import Item
from router.store import EVERY, HELD, PLACES, WAITING, LaneRow, ParkedRow, Store

TURNS = 500
"""Lanes that take turns in one go."""
PREPARED_PER_LANE = 50
ROWS_PER_LANE = 10
"""Read ahead of a queue: as many lanes' rows are read one after the other, and live events wait for that."""

_items = msgspec.json.Decoder(list[Item])


class Turnstile:
    """Owned by the worker; only its loop calls it."""

    def __init__(
        self,
        destination: Destination,
        store: Store,
        book: Book,
        lanes: Lanes,
        ready: Ready,
        settlement: Settlement,
        turns: Turns,
        pace: Pace,
    ) -> None:
        self._pace = pace
        self._destination, self._store, self._book, self._lanes = destination, store, book, lanes
        self._ready, self._settlement, self._turns = ready, settlement, turns
        self._joins = Joins(destination, book, lanes, ready, settlement, turns)
        self._fenced: list[Lane] = []  #: lanes that want a turn when the present step is stored
        self._unread: dict[Lane, int] = {}  #: draining lanes whose next event stands further on than the log was read
        self.may_have_rows = True  #: False: it is certain that no lane has a row
        self.drained = 0  #: lanes whose parked events have all gone out, ever

    @asynccontextmanager
    async def lane(self, key: str) -> AsyncIterator[Lane]:
        """The lane of a user, read from its row if need be, to work with over an await."""
        lane = self._lanes.take(key, loaded=not self.may_have_rows)
        with self._lanes.in_hand([lane]):
            await self.load_lanes([lane])
            yield lane

    async def gate_is_open(self, lane: Lane) -> bool:
        """Whether the first event this lane holds could go out now."""
        rows = (await self.parked([(lane.key, HELD, -1)], 1))[0]
        entries = [self.entry(row, lane) for row in rows[:1]]
        await self._turns.prepare(entries)
        return bool(entries) and self._turns.gate_is_open(entries[0])

    def free(self, lane: Lane) -> None:
        """The lane holds nothing any more."""
        self._lanes.free(lane)
        self._book.touch(lane)

    def stored(self) -> None:
        """A commit is done: lanes whose rows were changed in bulk may be read again."""
        fenced, self._fenced = self._fenced, []
        for lane in fenced:
            self._ready.add(lane)

    # ------------------------------------------------------------ a batch of turns

    async def take_turns(self) -> bool:
        """Give turns to the lanes that want one. False: none does."""
        for lane in [lane for lane, pos in self._unread.items() if pos <= self._book.read_pos]:
            del self._unread[lane]
            self._ready.add(lane)
        takes = [self._take_live_turns, self._take_slice]
        for take in reversed(takes) if self._pace.overdue else takes:  # neither line starves the other
            if await take():
                return True
        return False

    async def _take_live_turns(self) -> bool:
        lanes = self._ready.take_live(TURNS)
        if lanes:
            await self._give_turns(lanes)
        return bool(lanes)

    async def _take_slice(self) -> bool:
        """Lanes that drain, as many as may go on now."""
        book = self._book
        most = self._pace.lanes(is_storing=book.is_storing, read_pos=book.read_pos, read_at=book.read_at)
        lanes = self._ready.take_draining(min(most, TURNS))
        if lanes:
            with self._pace.slice():
                await self._give_turns(lanes)
        return bool(lanes)

    async def _give_turns(self, lanes: list[Lane]) -> None:
        with self._lanes.in_hand(lanes):
            await self.load_lanes(lanes)
            await self._fetch_parked([lane for lane in lanes if lane.draining and lane.current is None])
            prepared = [entry for lane in lanes for entry in self._candidates(lane)]
            await self._turns.prepare(prepared)
            linked = [self._lanes.take(key, loaded=not self.may_have_rows) for key in self._joins.keys(prepared)]
            with self._lanes.in_hand(linked):
                await self.load_lanes(linked)
                known = {id(entry) for entry in prepared}
                for lane in sorted(lanes, key=_first_pos):
                    self._run_lane(lane, known)

    async def load_lanes(self, lanes: Sequence[Lane]) -> None:
        """Read the rows of those lanes whose row was not read yet."""
        unread = [lane for lane in lanes if not lane.loaded]
        if not unread:
            return
        opened = self._watch_openings()
        loaded = await self._store.load(self._destination.name, [lane.key for lane in unread], [])
        missed = opened()
        for lane in unread:
            if not lane.loaded:
                self._restore(lane, loaded.lanes.get(lane.key), missed)

    def _watch_openings(self) -> Callable[[], set[str]]:
        """The needs that are met while something is read: the snapshot may be older than their commit."""
        before = set(self._settlement.opening)
        self._settlement.opened_since.clear()
        return lambda: before | self._settlement.opened_since

    def _restore(self, lane: Lane, row: LaneRow | None, missed: set[str]) -> None:
        self._lanes.restore(lane, row)
        if lane.need and not missed.isdisjoint((lane.need, lane.also, EVERY)):
            self._settlement.ask_again(lane)

    async def _fetch_parked(self, lanes: list[Lane]) -> None:
        """Read on in the queue that each draining lane takes its next event from."""
        wants: list[tuple[Lane, str]] = []
        for lane in lanes:
            if lane.fence is None and not lane.deferred:
                wants += [(lane, queue) for queue in lane.open_queues() if not lane.buffers[queue]]
            else:
                self._await_commit(lane)
        if not wants:
            return
        asked = [(lane.key, queue, lane.fetched.get(queue, -1)) for lane, queue in wants]
        found = await self.parked(asked, ROWS_PER_LANE)
        for (lane, queue), rows in zip(wants, found, strict=True):
            lane.buffers[queue].extend(self.entry(row, lane) for row in rows)
            if not rows:
                self._book.fence(lane)  # cannot be: its rows are counted; look again when all is stored
                self._await_commit(lane)

    async def parked(self, asked: list[tuple[str, str, int]], limit: int) -> list[list[ParkedRow]]:
        """For each (user key, queue, place): parked rows behind that place as they are now, in order."""
        before = self._book.unstored()
        found = await self._store.parked(self._destination.name, asked, limit)
        unstored = Overlay([*before, *self._book.unstored()])
        return [unstored.over(ask, rows, more) for ask, (rows, more) in zip(asked, found, strict=True)]

    def _candidates(self, lane: Lane) -> list[Entry]:
        """The entries this lane may take turns with now; parked ones become entries here."""
        queues = [lane.waiting] if lane.current is None or lane.blocked else []
        if lane.draining and lane.current is None:
            queues += [lane.buffers[queue] for queue in lane.open_queues()]
        return [entry for queue in queues for entry in itertools.islice(queue, lane.ahead)]

    def _want_more(self, lane: Lane) -> None:
        """All that was prepared had its turn and nothing is in flight: prepare twice as much for the next one."""
        lane.ahead = min(2 * lane.ahead, PREPARED_PER_LANE)
        self._ready.add(lane)

    def entry(self, row: ParkedRow, lane: Lane) -> Entry:
        """A parked row as an event of its lane."""
        entry = Entry(row, lane)
        if row.items is not None:
            if row.made_by == made_by(self._destination) or row.type == WAKE:
                entry.items = _items.decode(row.items)
                entry.share = 1 if row.attempts else None
            else:
                entry.turned = True  # another plugin version made the items: map it again, its state stands
        elif row.made_by:
            entry.turned = True  # a second sending of what was mapped before: the same
        return entry

    def _run_lane(self, lane: Lane, known: set[int]) -> None:
        """Take turns until the lane has something in flight, or wants more loaded."""
        if lane.frozen:
            self._await_commit(lane)
            return
        if lane.joining:
            self._run_before_joining(lane, known)
            return
        in_flight = lane.current
        while True:
            if lane.draining and lane.current is None and not self._drain_one(lane, known):
                break
            if lane.draining and lane.current is None:
                continue
            if not lane.waiting or (lane.current is not None and not lane.blocked):
                break
            if id(lane.waiting[0]) not in known:
                self._want_more(lane)
                break
            if not self._turn(lane.waiting.popleft()):
                break
        if lane.current is not in_flight:
            lane.ahead = 1

    def _run_before_joining(self, lane: Lane, known: set[int]) -> None:
        """A linking call waits here: what was accepted before it has its turn, and nothing else."""
        first = min((other.waiting[0].pos for other in lane.joining if other.waiting), default=0)
        while lane.waiting and lane.waiting[0].pos < first and (lane.current is None or lane.blocked):
            if id(lane.waiting[0]) not in known:
                self._want_more(lane)
                return
            if not self._turn(lane.waiting.popleft()):
                return
        if lane.deferred:
            self._await_commit(lane)
        elif lane.current is None:
            for other in lane.joining:  # those after the first would only come back to wait for it
                if not other.waiting or other.waiting[0].pos == first:
                    self._ready.add(other)

    def _drain_one(self, lane: Lane, known: set[int]) -> bool:
        """One parked event of a draining lane. False: nothing can be done before more is loaded."""
        if lane.deferred:  # the event before this one may have to be tried again first
            self._await_commit(lane)
            self._park_waiting(lane, known)
            return False
        if not lane.open_queues():
            self._end_drain(lane)
            return True
        entry = lane.head()
        if entry is None or id(entry) not in known:
            if lane not in self._fenced:
                self._want_more(lane)
            self._park_waiting(lane, known)
            return False
        if not self._is_first(entry, known):
            return False
        lane.buffers[entry.queue].popleft()
        lane.fetched[entry.queue] = entry.place
        if lane.over and entry.state == "retrying":
            self._settlement.give_up(entry)
            return True
        if entry.items is not None:
            self._settlement.send(entry)
            return True
        return self._turn(entry)

    def _is_first(self, entry: Entry, known: set[int]) -> bool:
        """Whether no event of the user that was accepted before this parked one is still to be read or to be parked: what was
        in flight without a row when the process ended is read again from the log. False: the lane is seen to."""
        lane, pos = entry.lane, entry.place // PLACES
        if pos > self._book.read_pos:
            self._unread[lane] = pos
            return False
        earlier = lane.waiting[0] if lane.waiting else entry
        if earlier.place >= entry.place:
            return True
        self._park_waiting(lane, known)
        if id(earlier) not in known or not lane.waiting or lane.waiting[0] is not earlier:
            self._want_more(lane)
        return False

    def _park_waiting(self, lane: Lane, known: set[int]) -> None:
        """What was read meanwhile parks behind the lane; it must not hold the window."""
        while lane.waiting and id(lane.waiting[0]) in known and self._turn(lane.waiting.popleft()):
            pass

    def _end_drain(self, lane: Lane) -> None:
        lane.draining, lane.due_at, lane.attempts = False, None, 0
        if lane.held:
            lane.mode = WAITING
        else:
            self._lanes.free(lane)
        self._book.touch(lane)
        self.drained += 1

    def _turn(self, entry: Entry) -> bool:
        """Give an event its turn. False: it was put back."""
        if self._joins.has_to_wait(entry):
            return False
        if not self._joins.is_apart(entry):
            return self._settlement.take(entry, self._turns.take(entry))
        if entry.lane.blocked and not entry.parked:
            return self._settlement.take(entry, Blocked())
        if self._joins.hand_over(entry):
            self._await_commit(entry.lane)
        return False

    def _await_commit(self, lane: Lane) -> None:
        """It wants a turn when the present step is stored."""
        if lane not in self._fenced:
            self._fenced.append(lane)


def _first_pos(lane: Lane) -> int:
    return lane.waiting[0].pos if lane.waiting else 0
