"""The worker of one destination: reads the log on from its cursor, gives each event its turn, sends, settles, commits.

One loop changes lanes and book, so there is no lock. A crash between any two lines repeats what was in flight and nothing
else: the cursor, the rows and the state of every event move in one commit.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from random import Random
from typing import Any

import aiohttp
import msgspec

from router.clock import Alarm, Clock
from router.decide.gate import Supplies
from router.deliver.book import Book
from router.deliver.flow import Flow
from router.deliver.lanes import Entry, Lane, Lanes
from router.deliver.overlay import Overlay
from router.deliver.settlement import Settlement
from router.deliver.turns import WAKE, Mapped, Turns, made_by, next_place, wake_id
from router.destinations import Destination
from router.errors import StoreFull
from router.plugin import Event, Item, Reject
from router.store import HELD, MAIN, RETRY, WAITING, CursorRow, LaneRow, ParkedRow, Store
from router.telemetry import Log

WINDOW_EVENTS, WINDOW_BYTES = 2_000, 8_000_000
READ_EVENTS = 500
TURNS = 500
PREPARED_PER_LANE = 50
DRAINING = 500
ROWS, ROWS_PER_LANE = 2_000, 50
COMMIT_PAUSE_S = 0.01
"""Between two commits of a destination: its cursor rides on other commits, and nobody waits for it."""
FULL_PAUSE_S = 1.0
EXPIRED_LANES, EXPIRY_PAUSE_MS = 100, 60_000
TIMER_PAUSE_MS = 250
"""A timer that is due but not at its turn is looked at again after this."""

_items = msgspec.json.Decoder(list[Item])


class Worker:
    """Lives as long as `run` runs. A new one starts from what the store says."""

    def __init__(
        self,
        destination: Destination,
        store: Store,
        cursor: CursorRow,
        session: aiohttp.ClientSession,
        clock: Clock,
        log: Log,
        random: Random,
    ) -> None:
        self.destination = destination
        self.warnings: dict[str, int] = {}
        self.store, self._clock, self._log = store, clock, log
        self._wake = asyncio.Event()
        self._alarm = Alarm(clock, self._wake.set)
        self._lanes = Lanes()
        self._ready: deque[Lane] = deque()
        self._fenced: list[Lane] = []
        self._commands: deque[tuple[Callable[[], Awaitable[Any]], asyncio.Future[Any]]] = deque()
        self._dirty = asyncio.Event()
        self._stopping = False
        self._read_pos = cursor.pos
        self._next_due: int | None = 0
        self._may_have_rows = True
        self._read_at = 0
        self._more_due = False
        self._expire_at = 0
        self._last_place = 0
        self._warned_at: dict[str, int] = {}
        self.flow = Flow(cursor.status, clock)
        self.book = Book(destination.name, cursor, clock, self._changed)
        self._supplies = Supplies(cursor.start, cursor.pos, cursor.ahead)
        self.settlement = Settlement(
            destination,
            session,
            self.book,
            self._lanes,
            self._supplies,
            self.flow,
            clock,
            log,
            random,
            self._make_ready,
        )
        self._outbox = self.settlement.outbox
        self._turns = Turns(destination, store, self.book, self._supplies, self._warn)

    # ------------------------------------------------------------ life

    async def run(self) -> None:
        """Work until `stop`; then no new turns, what is in flight may end, one last commit."""
        name = self.destination.name
        self._supplies.restore(await self.store.supplies(name))
        self._may_have_rows = await self.store.has_lanes(name)
        self._last_place = await self.store.last_place(name)
        for need, last in await self.store.openings(name):
            self.book.open(need, last)
            self.settlement.opening[need] = 1
        self.store.watch(self._wake.set)
        try:
            async with self._alarm, asyncio.TaskGroup() as group:
                commits = group.create_task(self._commit_on(), name=f"commit-{name}")
                await self._loop()
                await self._outbox.drain(self.destination.config.delivery.timeout_s)
                self._dirty.set()
                await commits
        finally:
            self._outbox.cancel()  # after a fault: no request may outlive the worker that would book its answer
            self.store.unwatch(self._wake.set)
            for _, done in self._commands:
                done.cancel()

    def stop(self) -> None:
        """End `run` in good order."""
        self._stopping = True
        self._wake.set()

    async def ask(self, command: Callable[[], Awaitable[Any]]) -> Any:
        """Run an operator's command between two steps of the loop."""
        done: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._commands.append((command, done))
        self._wake.set()
        return await done

    @asynccontextmanager
    async def lane(self, key: str) -> AsyncIterator[Lane]:
        """The lane of a user, read from its row if need be, to work with. For commands."""
        lane = self._lanes.take(key, loaded=False)
        with self._lanes.in_hand([lane]):
            await self._load_lanes([lane])
            yield lane

    async def gate_is_open(self, lane: Lane) -> bool:
        """Whether the first event this lane holds could go out now."""
        rows = (await self.parked([(lane.key, HELD, -1)], 1))[0]
        entries = [self._entry(row, lane) for row in rows[:1]]
        await self._turns.prepare(entries)
        return bool(entries) and self._turns.gate_is_open(entries[0])

    def free(self, lane: Lane) -> None:
        """The lane holds nothing any more."""
        self._lanes.free(lane)
        self.book.touch(lane)

    def _changed(self) -> None:
        self._dirty.set()

    def _make_ready(self, lane: Lane) -> None:
        """This lane may have a turn to take."""
        if not lane.queued:
            lane.queued = True
            self._ready.append(lane)
        self._wake.set()

    # ------------------------------------------------------------ the loop

    async def _loop(self) -> None:
        while not self._stopping:
            self._wake.clear()
            await self._run_commands()
            if self.flow.tick():
                self.settlement.status_changed()
            worked = False
            if self._turning():
                worked = await self._read()
                worked |= await self._activate_due()
                await self._expire_held()
                worked |= await self._take_turns()
            self._relieve()
            self._set_alarm(self._outbox.pump())
            if not worked:
                await self._wake.wait()

    def _turning(self) -> bool:
        """Turns are taken while events may go out; a destination that only probes takes them for want of a probe."""
        if self.book.full:
            return False
        if self.flow.running:
            return self._outbox.waiting < WINDOW_EVENTS
        return self.flow.may_send(self._outbox.in_flight) and not self._outbox.waiting

    def _set_alarm(self, look_again: int | None) -> None:
        times = [look_again, self.flow.wake_at()]
        if self.flow.running and self.destination.config.enabled:
            times += [self._next_due, self._expire_at]
        soonest = min((at for at in times if at is not None), default=None)
        if soonest is not None:
            self._alarm.set(soonest)

    async def _run_commands(self) -> None:
        while self._commands:
            command, done = self._commands.popleft()
            try:
                result = await command()
            except Exception as error:
                if not done.done():
                    done.set_exception(error)
            else:
                if not done.done():
                    done.set_result(result)

    # ------------------------------------------------------------ reading on

    async def _read(self) -> bool:
        room = WINDOW_EVENTS - (self._read_pos - self.book.pos)
        if self.store.head <= self._read_pos or room <= 0 or self.book.window_bytes >= WINDOW_BYTES:
            return False
        rows = await self.store.read(self._read_pos, min(READ_EVENTS, room), WINDOW_BYTES - self.book.window_bytes)
        for row in rows:
            self._read_pos, self._read_at = row.pos, row.received_at
            if row.pos in self.book.done:
                self._supplies.frontier = row.pos
                continue
            self._supplies.read(row.pos, row.type)
            lane = self._lanes.take(row.user_key, loaded=not self._may_have_rows)
            entry = Entry(row, lane)
            self.book.enter(entry)
            lane.waiting.append(entry)
            self._make_ready(lane)
        return bool(rows)

    def _relieve(self) -> None:
        """When more than half of the window is done ahead of the cursor, give rows to what holds it back: the oldest ones
        first, and no more of them than it takes."""
        if len(self.book.done) <= WINDOW_EVENTS // 2 or not self.flow.running:
            return
        for entry in list(self.book.window.values()):
            if self.book.advance() <= WINDOW_EVENTS // 2:
                return
            lane = entry.lane
            if lane.current is not entry or entry.items is None:
                return  # it waits for its turn behind one that has a row by now: parked in a moment
            self.settlement.park(entry, "queued", "in_flight", MAIN)
            lane.mode = lane.mode or RETRY
            self.settlement.drain(lane)

    # ------------------------------------------------------------ lanes and timers whose time has come

    async def _activate_due(self) -> bool:
        now = self._clock.now_ms()
        if self._next_due is None or self._next_due > now or not self.destination.config.enabled:
            return False
        self._next_due = None
        draining = sum(1 for lane in self._lanes if lane.draining)
        name, limit = self.destination.name, DRAINING + draining
        rows = await self.store.due(name, now, limit)
        lanes = [self._lanes.take(row.user_key, loaded=False) for row in rows]
        with self._lanes.in_hand(lanes):
            await self._load_lanes(lanes)  # read anew: a row may have changed while it was on its way
            for lane in lanes:
                if lane.draining or lane.due_at is None or lane.due_at > now or not lane.rows:
                    continue
                if draining >= DRAINING:
                    break
                draining += 1
                lane.draining = True
                self._make_ready(lane)
        await self._wake_plugin(now)
        later = await self.store.next_due(name, now)
        self._more_due = draining >= DRAINING  # the rest when half of these are done
        self._expect_due(later if self._more_due or len(rows) < limit else now)
        return False

    def _expect_due(self, at: int | None) -> None:
        """Something is due then; look at that time at the latest."""
        if at is not None:
            self._next_due = at if self._next_due is None else min(at, self._next_due)

    async def _expire_held(self) -> None:
        """Give up what has been held for too long, a slice at a time; each event's age runs from its own hold."""
        now = self._clock.now_ms()
        if now < self._expire_at:
            return
        self._expire_at = now + EXPIRY_PAUSE_MS
        if not self.destination.config.enabled:
            return
        before = now - int(self.destination.config.hold.max_age_s * 1000)
        keys = await self.store.held_since(self.destination.name, before, EXPIRED_LANES)
        if len(keys) == EXPIRED_LANES:
            self._expire_at = now
        lanes = [self._lanes.take(key, loaded=False) for key in keys]
        with self._lanes.in_hand(lanes):
            await self._load_lanes(lanes)
            waiting = [lane for lane in lanes if lane.held and lane.current is None and lane.fence is None]
            found = await self.parked([(lane.key, HELD, -1) for lane in waiting], ROWS_PER_LANE) if waiting else []
            for lane, rows in zip(waiting, found, strict=True):
                self._expire_lane(lane, rows, before)

    def _expire_lane(self, lane: Lane, rows: list[ParkedRow], before: int) -> None:
        left = [row for row in rows if row.parked_at >= before]
        for row in rows[: len(rows) - len(left)]:
            self.settlement.bury(
                self._entry(row, lane), "hold_expired", f"held for longer than hold.max_age: {row.reason}"
            )
        lane.held_since = left[0].parked_at if left else before if lane.held else 0
        lane.rewind(HELD, 0)
        if not lane.rows:
            self.free(lane)
        elif len(left) < len(rows):
            self.settlement.ask_again(lane)  # another event is the first now, and may wait for something else

    async def _wake_plugin(self, now: int) -> None:
        """Call the timer hook for what is due; its items park in the lane of the event that set the timer."""
        if WAKE not in self.destination.hooks:
            return
        unstored = self.book.unstored()
        for key, due_at, user_key in await self.store.due_timers(self.destination.name, now, READ_EVENTS):
            newer = self.book.is_open(key) or any(key in step.timers for step in unstored)
            lane = self._lanes.take(user_key, loaded=not self._may_have_rows)
            with self._lanes.in_hand([lane]):
                await self._load_lanes([lane])
                if newer or not self._is_timers_turn(lane, due_at):
                    self._expect_due(now + TIMER_PAUSE_MS)
                    continue
                result = await self._turns.wake(key, due_at, lane)
                if isinstance(result, Mapped | Reject):
                    self._park_wake(lane, key, due_at, result)

    def _is_timers_turn(self, lane: Lane, due_at: int) -> bool:
        """A timer takes its turn in its lane, behind everything accepted before it was due: that may set it anew."""
        unread = self.store.head > self._read_pos and self._read_at < due_at
        return not (unread or lane.current or lane.waiting or lane.main or lane.joining or lane.frozen)

    def _park_wake(self, lane: Lane, key: str, due_at: int, result: Mapped | Reject) -> None:
        self._last_place = place = next_place(self._read_pos, self._last_place)
        name = self.destination.name
        message_id = wake_id(name, key, due_at)
        row = ParkedRow(
            -place, lane.key, MAIN, place, "queued", WAKE, 0, due_at, "", WAKE, message_id, "", "", b"", None,
            made_by(self.destination), 0, 0,
        )  # fmt: skip
        entry = Entry(row, lane)
        entry.parked = False  # its row is still to be written
        if isinstance(result, Reject):
            self.book.bury(entry, result.reason, result.detail)
            return
        entry.items = result.items
        self.book.park(entry, "queued", WAKE, MAIN)
        if not lane.blocked:
            lane.mode = RETRY
            self.settlement.drain(lane)

    # ------------------------------------------------------------ turns

    async def _take_turns(self) -> bool:
        lanes = [self._ready.popleft() for _ in range(min(TURNS, len(self._ready)))]
        if not lanes:
            return False
        with self._lanes.in_hand(lanes):
            for lane in lanes:
                lane.queued = False
            await self._load_lanes(lanes)
            await self._fetch_parked([lane for lane in lanes if lane.draining and lane.current is None])
            prepared = [entry for lane in lanes for entry in self._candidates(lane)]
            await self._turns.prepare(prepared)
            linked = self._linked_lanes(prepared)
            with self._lanes.in_hand(linked):
                await self._load_lanes(linked)
                known = {id(entry) for entry in prepared}
                for lane in sorted(lanes, key=_first_pos):
                    self._run_lane(lane, known)
        return True

    def _linked_lanes(self, entries: list[Entry]) -> list[Lane]:
        """The lanes of anonymousIds that these calls link to a user: what they hold will join the user's lane."""
        if self.book.held <= 0:
            return []
        keys = {key for entry in entries if entry.event is not None and (key := _linked_key(entry.event))}
        return [self._lanes.take(key, loaded=not self._may_have_rows) for key in sorted(keys)]

    async def _load_lanes(self, lanes: list[Lane]) -> None:
        unread = [lane for lane in lanes if not lane.loaded]
        if not unread:
            return
        opened = self._watch_openings()
        loaded = await self.store.load(self.destination.name, [lane.key for lane in unread], [])
        missed = opened()
        for lane in unread:
            if not lane.loaded:
                self._restore(lane, loaded.lanes.get(lane.key), missed)

    def _watch_openings(self) -> Callable[[], set[str]]:
        """The needs that are met while something is read: the snapshot may be older than their commit."""
        before = set(self.settlement.opening)
        self.settlement.opened_since.clear()
        return lambda: before | self.settlement.opened_since

    def _restore(self, lane: Lane, row: LaneRow | None, missed: set[str]) -> None:
        self._lanes.restore(lane, row)
        if lane.need and lane.need in missed:
            self.settlement.ask_again(lane)

    async def _fetch_parked(self, lanes: list[Lane]) -> None:
        """Read on in the queue that each draining lane takes its next event from."""
        wants: list[tuple[Lane, str]] = []
        for lane in lanes:
            if lane.fence is None:
                wants += [(lane, queue) for queue in lane.open_queues() if not lane.buffers[queue]]
            elif lane not in self._fenced:
                self._fenced.append(lane)
        if not wants:
            return
        limit = max(1, min(ROWS_PER_LANE, ROWS // len(wants)))
        found = await self.parked([(lane.key, queue, lane.fetched.get(queue, -1)) for lane, queue in wants], limit)
        for (lane, queue), rows in zip(wants, found, strict=True):
            lane.buffers[queue].extend(self._entry(row, lane) for row in rows)
            if not rows:
                self.book.fence(lane)  # cannot be: its rows are counted; look again when all is stored
                self._fenced.append(lane)

    async def parked(self, asked: list[tuple[str, str, int]], limit: int) -> list[list[ParkedRow]]:
        """For each (user key, queue, place): parked rows behind that place as they are now, in order."""
        before = self.book.unstored()
        found = await self.store.parked(self.destination.name, asked, limit)
        unstored = Overlay([*before, *self.book.unstored()])
        return [unstored.over(ask, rows, more) for ask, (rows, more) in zip(asked, found, strict=True)]

    def _candidates(self, lane: Lane) -> list[Entry]:
        """The entries this lane may take turns with now; parked ones become entries here."""
        entries = list(lane.waiting)[:PREPARED_PER_LANE] if lane.current is None or lane.blocked else []
        if lane.draining and lane.current is None:
            for queue in lane.open_queues():
                entries += lane.buffers[queue]
        return entries

    def _entry(self, row: ParkedRow, lane: Lane) -> Entry:
        entry = Entry(row, lane)
        if row.items is not None:
            if row.made_by == made_by(self.destination) or row.type == WAKE:
                entry.items = _items.decode(row.items)
                entry.share = 1 if row.attempts else None
            else:
                entry.turned = True  # another plugin version made the items: map it again, its state stands
        return entry

    def _run_lane(self, lane: Lane, known: set[int]) -> None:
        """Take turns until the lane has something in flight, or wants more loaded."""
        if lane.frozen:
            self._fenced.append(lane)
            return
        if lane.joining:
            if lane.current is None:
                for other in lane.joining:
                    self._make_ready(other)
            return
        while True:
            if lane.draining and lane.current is None and not self._drain_one(lane, known):
                break
            if lane.draining and lane.current is None:
                continue
            if not lane.waiting or (lane.current is not None and not lane.blocked):
                break
            if id(lane.waiting[0]) not in known:
                self._make_ready(lane)
                break
            if not self._turn(lane.waiting.popleft()):
                break

    def _drain_one(self, lane: Lane, known: set[int]) -> bool:
        """One parked event of a draining lane. False: nothing can be done before more is loaded."""
        if not lane.open_queues():
            self._end_drain(lane)
            return True
        entry = lane.head()
        if entry is None or id(entry) not in known:
            if lane not in self._fenced:
                self._make_ready(lane)
            self._park_waiting(lane, known)
            return False
        lane.buffers[entry.queue].popleft()
        lane.fetched[entry.queue] = entry.place
        if entry.items is not None:
            self.settlement.send(entry)
            return True
        return self._turn(entry)

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
        self.book.touch(lane)
        if self._more_due and sum(1 for other in self._lanes if other.draining) < DRAINING // 2:
            self._more_due = False
            self._expect_due(self._clock.now_ms())

    def _turn(self, entry: Entry) -> bool:
        """Give an event its turn. False: it was put back."""
        return not self._joins(entry) and self.settlement.take(entry, self._turns.take(entry))

    def _joins(self, entry: Entry) -> bool:
        """At a linking call's turn, what is held for the anonymousId joins the user's lane. True: it has to wait first."""
        event, lane = entry.event, entry.lane
        if event is None or event.user_id is None or not (source := _linked_key(event)):
            return False
        anonymous = self._lanes.get(source)
        if anonymous is None or anonymous is lane:
            return False
        if lane in anonymous.joining:
            anonymous.joining.remove(lane)
            self._make_ready(anonymous)
        if not anonymous.held:
            return False
        if anonymous.current is not None:
            anonymous.joining.append(lane)  # it takes no new turn; what is in flight there ends first
            self.settlement.put_back(entry, ready=False)
            return True
        self.book.move(anonymous, lane, event.user_id)
        self._lanes.set_need(anonymous, "")
        if not anonymous.main and not anonymous.draining:
            self._lanes.free(anonymous)
        self._make_ready(anonymous)
        self.settlement.ask_again(lane)
        return False

    # ------------------------------------------------------------ commits

    async def _commit_on(self) -> None:
        while not (self._stopping and self.book.empty and not self._outbox.in_flight):
            await self._dirty.wait()
            self._dirty.clear()
            if not self.book.empty:
                await self._commit()
                if not self._stopping:
                    await self._clock.sleep(COMMIT_PAUSE_S)
                if not self.book.empty:
                    self._dirty.set()

    async def _commit(self) -> None:
        step, lanes = self.book.take()
        while True:
            try:
                more = await self.store.commit(step)
                break
            except StoreFull:
                if self._stopping:
                    raise  # what is not stored is simply repeated after the next start
                await self._clock.sleep(FULL_PAUSE_S)
        self.book.stored()
        for need in step.opened:
            self.settlement.opened(need)
        for need, last in more:
            self.settlement.open_on(need, last)
        if step.opened:
            self._next_due = 0
        for lane in lanes:
            lane.uncommitted -= 1
            if lane.stored:
                self._may_have_rows = True
            if not lane.draining:
                self._expect_due(lane.due_at)
            self._lanes.let_go(lane)
        for timer in step.timers.values():
            self._expect_due(timer[0] if timer is not None else None)
        ready, self._fenced = self._fenced, []
        for lane in ready:
            self._make_ready(lane)
        self._wake.set()

    # ------------------------------------------------------------ words

    def _warn(self, reason: str, **numbers: float) -> None:
        self.warnings[reason] = self.warnings.get(reason, 0) + 1
        now = self._clock.now_ms()
        if now - self._warned_at.get(reason, -60_000) >= 60_000 and len(self._warned_at) < 1000:
            self._warned_at[reason] = now
            self._log.emit("plugin_warned", reason=reason, count=self.warnings[reason], **numbers)


def _linked_key(event: Event) -> str | None:
    """The anonymous key that a call links to its user."""
    linked = {"identify": event.anonymous_id, "alias": event.previous_id}.get(event.type)
    return f"a:{linked}" if linked and event.user_id is not None else None


def _first_pos(lane: Lane) -> int:
    return lane.waiting[0].pos if lane.waiting else 0
