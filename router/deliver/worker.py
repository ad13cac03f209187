"""The worker of one destination: reads the log on from its cursor, gives each event its turn, sends, settles, commits.

One loop changes lanes and book, so there is no lock. A crash between any two lines repeats what was in flight and nothing
else: the cursor, the rows and the state of every event move in one commit.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from random import Random
from typing import Any

import aiohttp

from router.clock import Alarm, Clock
from router.decide.gate import Supplies
from router.deliver.agenda import Agenda
from router.deliver.book import Book
from router.deliver.flow import Flow
from router.deliver.lanes import Entry, Lane, Lanes, Ready
from router.deliver.pace import Pace
from router.deliver.replay import Replay
from router.deliver.settlement import Settlement
from router.deliver.turns import Turns
from router.deliver.turnstile import Turnstile
from router.destinations import Destination
from router.errors import StoreFull
from router.metrics import Meter
from router.store import MAIN, RETRY, CursorRow, Store
from router.telemetry import Log

WINDOW_EVENTS, WINDOW_BYTES = 2_000, 8_000_000
READ_EVENTS = 500
COMMIT_PAUSE_S = 0.01
"""Between two commits of a destination: its cursor rides on other commits, and nobody waits for it."""
FULL_PAUSE_S = 1.0
MAX_WARNINGS = 200
"""Different reasons that a plugin's warnings are counted by; further ones count as "other"."""


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
        meter: Meter,
    ) -> None:
        self.destination = destination
        self.warnings: dict[str, int] = {}
        self.store, self._clock, self.log = store, clock, log
        self._wake = asyncio.Event()
        self._alarm = Alarm(clock, self._wake.set)
        self._lanes = Lanes()
        self._ready = Ready(self._wake.set)
        self._commands: deque[tuple[Callable[[], Awaitable[Any]], asyncio.Future[Any]]] = deque()
        self._dirty = asyncio.Event()
        self._stopping = False
        self._is_cut = False
        self._has_ended = False
        self._warned_at: dict[str, int] = {}
        self.flow = Flow(cursor.status, clock)
        self.book = Book(destination.name, cursor, clock, self._dirty.set)
        self._supplies = Supplies(cursor.start, cursor.pos, cursor.ahead)
        self.settlement = Settlement(
            destination, session, self.book, self._lanes, self._supplies, self.flow, clock, log, random, self._ready,
            meter,
        )  # fmt: skip
        self._outbox = self.settlement.outbox
        self.turns = turns = Turns(destination, store, self.book, self._supplies, self._warn)
        self._pace = Pace(clock, self._wake.set, self.book.read_pos)
        self.turnstile = Turnstile(
            destination, store, self.book, self._lanes, self._ready, self.settlement, turns, self._pace
        )
        self._agenda = Agenda(
            destination, store, clock, log, self.book, self._lanes, self._ready, self.settlement, turns, self.turnstile
        )  # fmt: skip

        self.replay = Replay(
            destination, store, clock, log, self.book, self._lanes, self.settlement, self.turnstile
        )  # fmt: skip

    # ------------------------------------------------------------ life

    async def run(self) -> None:
        """Work until `stop`; then no new turns, what is in flight may end, one last commit."""
        try:
            await self._open()
            await self._work()
        finally:
            self._has_ended = True
            for _, done in self._commands:
                done.cancel()

    async def _open(self) -> None:
        """Take up what the store remembers."""
        name = self.destination.name
        self._supplies.restore(await self.store.supplies(name))
        self.turnstile.may_have_rows = await self.store.has_lanes(name)
        await self._agenda.open()
        await self.replay.open()
        await self.store.rejudge(name, self.destination.gate)
        for need, last in await self.store.openings(name):
            self.settlement.open_on(need, last)

    async def _work(self) -> None:
        self.store.watch(self._wake.set)
        try:
            async with self._alarm, self._pace.alarm, asyncio.TaskGroup() as group:
                commits = group.create_task(self._commit_on(), name=f"commit-{self.destination.name}")
                await self._loop()
                await self._outbox.drain(0.0 if self._is_cut else self.destination.config.delivery.timeout_s)
                self._dirty.set()
                await commits
        finally:
            self._outbox.cancel()  # after a fault: no request may outlive the worker that would book its answer
            self.store.unwatch(self._wake.set)

    def stop(self) -> None:
        """End `run` in good order."""
        self._stopping = True
        self._wake.set()

    def cut(self) -> None:
        """End `run` without waiting for what is in flight; what is booked is committed."""
        self._is_cut = True
        self.stop()
        self._outbox.cancel()

    async def ask(self, command: Callable[[], Awaitable[Any]]) -> Any:
        """Run an operator's command between two steps of the loop. Raises CancelledError where the worker ends before."""
        done: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        if self._has_ended:
            done.cancel()
        self._commands.append((command, done))
        self._wake.set()
        return await done

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
                await self._agenda.look()
                worked |= await self.replay.look()
                worked |= await self.turnstile.take_turns()
            self._relieve()
            self._set_alarm(self._outbox.pump())
            if not worked:
                await self._wake.wait()
            else:
                await asyncio.sleep(0)  # reading from memory gives nobody else a turn

    def _turning(self) -> bool:
        """Turns are taken while events may go out; a destination that only probes takes them for want of a probe."""
        if self.book.full:
            return False
        if self.flow.running:
            return self._outbox.waiting < WINDOW_EVENTS
        return self.flow.may_send(self._outbox.in_flight) and not self._outbox.waiting

    def _set_alarm(self, look_again: int | None) -> None:
        times = [look_again, self.flow.wake_at()]
        if self.flow.running:
            times.append(self._agenda.next_look)
        soonest = min((at for at in times if at is not None), default=None)
        if soonest is not None:
            self._alarm.set(soonest)

    async def _run_commands(self) -> None:
        while self._commands:
            command, done = self._commands.popleft()
            try:
                result = await command()
            except asyncio.CancelledError:
                done.cancel()
                raise
            except Exception as error:
                if not done.done():
                    done.set_exception(error)
            else:
                if not done.done():
                    done.set_result(result)

    # ------------------------------------------------------------ reading on

    async def _read(self) -> bool:
        room = WINDOW_EVENTS - (self.book.read_pos - self.book.pos)
        if self.store.head <= self.book.read_pos or room <= 0 or self.book.window_bytes >= WINDOW_BYTES:
            return False
        rows = await self.store.read(self.book.read_pos, min(READ_EVENTS, room), WINDOW_BYTES - self.book.window_bytes)
        ahead: list[Entry] = []
        for row in rows:
            self.book.read_pos = row.pos
            self.book.read_at = row.received_at
            if row.pos <= self.book.pos or row.pos in self.book.done:
                self._supplies.frontier = row.pos  # settled ahead of the cursor by an earlier worker
                if row.type == "group" and self._supplies.has(row.pos, "id"):
                    ahead.append(Entry(row, Lane(row.user_key, loaded=True)))
                continue
            self._supplies.read(row.pos, row.type)
            lane = self._lanes.take(row.user_key, loaded=not self.turnstile.may_have_rows)
            entry = Entry(row, lane)
            self.book.enter(entry)
            lane.waiting.append(entry)
            self._ready.add(lane)
        if ahead:
            await self._tell(ahead)
        return bool(rows)

    async def _tell(self, ahead: list[Entry]) -> None:
        """Group calls that supply already: what they told is not missing when one from before them fails."""
        await self.turns.prepare(ahead)
        for entry in ahead:
            if entry.event is not None and entry.event.group_id is not None:
                self._supplies.tell(entry.callers, entry.event.group_id, entry.tells)

    def _relieve(self) -> None:
        """When more than half of the window is done ahead of the cursor, give rows to what holds it back: the oldest ones
        first, and no more of them than it takes."""
        if len(self.book.done) <= WINDOW_EVENTS // 2 or not self.flow.running:
            return
        for entry in list(self.book.window.values()):
            if self.book.advance() <= WINDOW_EVENTS // 2:
                return
            lane = entry.lane
            if entry.deferred:
                continue  # it has been given one, which waits in the book for an earlier event of the same state key
            if lane.current is not entry or entry.items is None:
                return  # it waits for its turn behind one that has a row by now: parked in a moment
            self.settlement.park(entry, "queued", "in_flight", MAIN)
            lane.mode = lane.mode or RETRY
            self.settlement.drain(lane)

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
        self._agenda.stored(step, lanes)
        self.turnstile.stored()
        for lane in lanes:
            lane.uncommitted -= 1
            self.turnstile.may_have_rows |= lane.stored
            self._lanes.let_go(lane)
        self._wake.set()

    # ------------------------------------------------------------ words

    def _warn(self, reason: str, **numbers: float) -> None:
        if reason not in self.warnings and len(self.warnings) >= MAX_WARNINGS:
            reason = "other"
        self.warnings[reason] = self.warnings.get(reason, 0) + 1
        now = self._clock.now_ms()
        if now - self._warned_at.get(reason, -60_000) >= 60_000:
            self._warned_at[reason] = now
            self.log.emit("plugin_warned", reason=reason, count=self.warnings[reason], **numbers)
