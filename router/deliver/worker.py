"""The worker of one destination: reads the log on from its cursor, gives each event its turn, sends, settles, commits.

One loop changes lanes and the unit of work, so there is no lock. A crash between any two lines repeats what was in flight,
what was answered since the last commit, and nothing else: the cursor, the rows and the state of every event move in one commit.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from router.clock import Alarm
from router.decide.group_readiness import ID
from router.deliver.context import DeliveryContext, DeliveryState
from router.deliver.core import Core
from router.deliver.lanes.delivery import Delivery
from router.deliver.own_events import own_events
from router.deliver.send.batcher import STUCK
from router.deliver.send.http_client import Client
from router.deliver.settle.forgotten import settle_blank
from router.errors import ClaimLost, CommandNotBegun, StoreFull
from router.plugin_host.hook_watch import LEAST_READ
from router.store import LogRow
from router.vocabulary import Line

WINDOW_EVENTS, WINDOW_BYTES = 2_000, 4_000_000
"""Events in memory that are read from the log, and neither settled nor parked, and their bodies."""
AHEAD_EVENTS = 4_000
"""Positions settled ahead of the cursor, beyond which the events that hold it back get rows."""
MAX_DISTANCE = 8_000
"""From the cursor to the last position read."""
READ_EVENTS = 500
COMMIT_PAUSE_S, MOST_PAUSES = 0.01, 5
"""Between two commits of a destination, and how many of these pauses there are while nobody waits for the commit: at 3,500
events a second, each in a request of its own, five pauses take 25 us off an event's 290."""
FULL_PAUSE_S = 1.0
GRACE_S = 1.0
"""A worker that stops waits for its requests so much longer than their time-out: one that ends by it is booked, and not cut beside it."""
STUCK_IDS = 10
"""Message ids that are named where a request is stuck."""


class Worker:
    """Lives as long as `run` runs. A new one starts from what the store says."""

    def __init__(self, context: DeliveryContext, client: Client) -> None:
        self.context, self._event_log, self._claim = context, context.event_log, context.claim
        self._clock = context.clock
        self._name = context.destination.name
        self._wake = asyncio.Event()
        self._dirty = asyncio.Event()
        self._alarm = Alarm(context.clock, self._wake.set)
        self.state = DeliveryState.open(context, self._wake.set, self._dirty.set)
        self.core = Core(context, self.state, client, self._wake.set)
        self._waiting_for_commit: list[asyncio.Future[None]] = []
        self._commands: deque[tuple[Callable[[], Awaitable[Any]], asyncio.Future[Any]]] = deque()
        self._is_gated = context.destination.is_gated
        self._own = own_events(context.claim.cursor)
        self._shards = context.claim.cursor.share.shards  #: so many positions hold one event of its own
        self._is_stopping = self._is_cut = self._has_ended = False
        self._is_drained = False  #: nothing is in flight any more, and nothing new begins
        self._round_since: float | None = None  #: when the round of the loop began that is going on

    # ------------------------------------------------------------ life

    async def run(self) -> None:
        """Work until `stop`; then no new turns, what is in flight may end, one last commit."""
        try:
            await self._open()
            await self._work()
        finally:
            self._round_since = None
            if self._claim.lost.is_set():
                self.context.log.emit("claim_lost")
                self.context.meter.claims_lost += 1
            self._refuse_commands()
            for waiting in self._waiting_for_commit:
                waiting.cancel()

    async def _open(self) -> None:
        """Take up what the store remembers."""
        self.state.readiness.restore(await self._claim.group_calls())
        self.state.lanes.may_have_rows = await self._claim.lanes.has_any()
        self.state.work.last_order_key = await self._claim.lanes.last_place()
        await self.core.orphans.open()
        await self.core.replay.open()
        for key, last in await self._claim.lanes.openings():
            self.core.releases.release_rows(key, last)

    async def _work(self) -> None:
        self._event_log.watch(self._wake.set)
        self._claim.others.watch(self._wake.set)
        try:
            async with self._alarm, asyncio.TaskGroup() as group:
                commits = group.create_task(self._commit_on(), name=f"commit-{self._name}")
                losing = group.create_task(self._end_when_lost(), name=f"claim-{self._name}")
                recounting = group.create_task(self.core.orphans.recount(), name=f"recount-{self._name}")
                await self._loop()
                recounting.cancel()
                self._refuse_commands()  # they would wait for all that is in flight
                timeout_s = self.context.destination.config.delivery.timeout_s
                await self.core.batcher.drain(0.0 if self._is_cut else timeout_s + GRACE_S)
                self._is_drained = True
                self._dirty.set()
                await commits
                losing.cancel()
                self._raise_fault_of_answers()
        finally:
            self.core.batcher.cut()  # after a fault: no request may outlive the worker that would book its answer
            self._event_log.unwatch(self._wake.set)
            self._claim.others.unwatch(self._wake.set)

    def _raise_fault_of_answers(self) -> None:
        """What went wrong while an answer was booked: nobody waits there who could be told."""
        if self.core.batcher.fault is not None:
            raise self.core.batcher.fault

    async def _end_when_lost(self) -> None:
        """Also where there is nothing to commit: what is on its way is another one's by now."""
        await self._claim.until_lost()
        raise ClaimLost

    def stop(self) -> None:
        """End `run` in good order."""
        self._is_stopping = True
        self._wake.set()

    def cut(self) -> None:
        """End `run` without waiting for what is in flight; what is booked is committed."""
        self._is_cut = True
        self.stop()
        self.core.batcher.cut()

    def abandon(self) -> None:
        """From another thread, for one whose loop a hook holds: nothing is begun when the hook returns, and nothing is sent."""
        self._is_stopping = self._is_cut = True
        self.core.batcher.abandon()

    @property
    def has_ended(self) -> bool:
        """Whether it takes no more commands."""
        return self._has_ended

    def _refuse_commands(self) -> None:
        self._has_ended = True
        for _, done in self._commands:
            if not done.done():
                done.set_exception(CommandNotBegun())
        self._commands.clear()

    async def booked_is_stored(self) -> None:
        """Return when a commit has stored what is booked by now. Raises CancelledError where the worker ends before."""
        work = self.state.work
        if work.is_empty and not work.is_storing:
            return
        waiting: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting_for_commit.append(waiting)
        if self._has_ended:
            waiting.cancel()
        await waiting

    async def ask(self, command: Callable[[], Awaitable[Any]]) -> Any:
        """Run an operator's command between two rounds of the loop. Raises CommandNotBegun where the worker ends before, CancelledError where
        it ends meanwhile."""
        if self._has_ended:
            raise CommandNotBegun
        done: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._commands.append((command, done))
        self._wake.set()
        return await done

    @property
    def round_s(self) -> float:
        """For how long the round of the loop has lasted that is going on; 0 while it waits for work."""
        return 0.0 if self._round_since is None else self._clock.monotonic() - self._round_since

    # ------------------------------------------------------------ the loop

    async def _loop(self) -> None:
        core, breaker = self.core, self.state.breaker
        while not self._is_stopping:
            self._wake.clear()
            self._round_since = self._clock.monotonic()
            self._raise_fault_of_answers()
            await self._run_commands()
            now = self._clock.now_ms()
            self._end_stuck(now)
            core.status.record(breaker.follow(self._claim.others.statuses()))
            if breaker.tick():
                core.status.record(True)
            worked = await core.withdrawals.look()
            may_grow = self.context.health.may_grow()
            if self._takes_turns():
                if may_grow:
                    worked |= await self._read()
                await self._look_at_jobs()
                if may_grow:
                    worked |= await core.replay.look()
                worked |= await core.scheduler.take_turns()
            self._relieve_window()
            self._tell_place(now)
            self.context.destination.watch.start_slice()
            self._set_alarm(now, core.batcher.pump(), may_grow)
            if worked:
                await asyncio.sleep(0)  # reading from memory gives nobody else a turn
            else:
                self._round_since = None
                await self._wake.wait()
        self._round_since = None

    def _takes_turns(self) -> bool:
        """Turns are taken while events may go out; a destination that only probes takes them for want of a good probe: the
        retries of those who are the trouble must not keep everybody else from being tried."""
        batcher, breaker = self.core.batcher, self.state.breaker
        if self.state.work.is_full:
            return False
        if breaker.is_running:  # the window and the lanes that drain bound how much waits for a request
            return True
        return (breaker.may_send(batcher.in_flight) or breaker.is_opened_by_few) and not batcher.has_fresh

    async def _look_at_jobs(self) -> None:
        if not self.context.destination.config.enabled:
            return
        core, now = self.core, self._clock.now_ms()
        await core.orphans.look()
        await core.due_lanes.look(now)
        await core.timers.look(now)
        await core.expiry.look(now)

    def _tell_place(self, now: int) -> None:
        due_at = self.state.work.place_due_at
        if due_at is not None and due_at <= now:
            self.state.work.tell_place()

    def _end_stuck(self, now: int) -> None:
        """Nothing is in flight for ever, whatever a plugin does."""
        if (at := self.core.batcher.overdue_at) is None or at > now:
            return
        destination = self.context.destination
        for batch in self.core.batcher.end_stuck():
            ids = [part.delivery.log_event.message_id for part in batch.parts][:STUCK_IDS]
            self.context.log.emit(
                "plugin_failed", plugin=destination.plugin_name, hook="deliver", detail=STUCK, message_ids=ids
            )

    def _set_alarm(self, now: int, look_again: int | None, may_grow: bool) -> None:
        """`now`: from before the breaker was asked, so that no change of it falls between the two. `may_grow`: as the round had it: what
        it left unread is read soon, also where there is room again by now."""
        core, breaker = self.core, self.state.breaker
        changes_at = breaker.wake_at()
        is_to_come = changes_at is not None and changes_at > now
        times = [look_again, changes_at if is_to_come else None, core.batcher.overdue_at, self.state.work.place_due_at]
        # Where no turns are taken, a commit or an answer wakes the loop; what is due by then would only make it spin.
        if self.context.destination.config.enabled and self._takes_turns():
            times += [core.due_lanes.next_look, core.timers.next_look, core.expiry.next_look]
            if not may_grow:
                times.append(now + int(1000 * FULL_PAUSE_S))
        soonest = min((at for at in times if at is not None), default=None)
        if soonest is not None:
            self._alarm.set(soonest)

    async def _run_commands(self) -> None:
        while self._commands:
            command, done = self._commands.popleft()
            if done.done():  # who asked has left, and was told that it is not carried out
                continue
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
        work = self.state.work
        room = min(WINDOW_EVENTS - len(work.unsettled), MAX_DISTANCE * self._shards - (work.read_pos - work.pos))
        # Items are about as large as the bodies. What turns out to have no room for its items waits in a lane, which costs more.
        room_bytes = min(WINDOW_BYTES - work.unsettled_bytes, self.core.batcher.room(Line.LIVE))
        if self.core.scheduler.awaits_room:  # those who were read before have their turn first
            return False
        if self._event_log.head <= work.read_pos or room <= 0 or room_bytes <= 0:
            return False
        most = min(READ_EVENTS, max(LEAST_READ, self.core.live_pass.size.events), room)
        rows = await self._event_log.read(work.read_pos, most * self._shards, room_bytes)
        if self._own is None or not rows:
            return await self._enter_read(rows)
        own, last = self._own.of(rows, most)
        await self._enter_read(own)
        work.pass_over(last)
        return True

    async def _enter_read(self, rows: Sequence[LogRow]) -> bool:
        """Give these their turn. Returns whether there are any."""
        work = self.state.work
        fresh: list[Delivery] = []
        settled_before: list[Delivery] = []
        if work.settled_before or "" in [row.user_key for row in rows]:
            for row in rows:
                self._enter(row, fresh, settled_before)
        elif rows:
            fresh = self._enter_all(rows)
        if settled_before:
            await self._announce(settled_before)
        if fresh:
            await self.core.live_pass.run(fresh)
        return bool(rows)

    def _enter_all(self, rows: Sequence[LogRow]) -> list[Delivery]:
        """The usual case: nobody has settled any of these, and nobody was forgotten."""
        readiness = self.state.readiness
        fresh = [Delivery(row) for row in rows]
        self.state.work.read_all(fresh)
        for row in rows:
            if row.type == "group":
                readiness.read(row.pos, row.type)
        readiness.read_pos = rows[-1].pos
        return fresh

    def _enter(self, row: LogRow, fresh: list[Delivery], settled_before: list[Delivery]) -> None:
        work, readiness = self.state.work, self.state.readiness
        work.read_pos, work.read_at = row.pos, row.received_at
        is_blank = not row.user_key  # its person or group was forgotten
        if row.pos in work.settled_before:  # ahead of the cursor, by an earlier worker
            readiness.read_pos = row.pos
            if self._is_gated and row.type == "group" and not is_blank:
                settled_before.append(Delivery(row))
            return
        if is_blank:
            settle_blank(self.state, self.core.releases, row)
            return
        readiness.read(row.pos, row.type)
        delivery = Delivery(row)
        work.read(delivery)
        fresh.append(delivery)

    async def _announce(self, deliveries: list[Delivery]) -> None:
        """Group calls that were settled or parked by an earlier worker: what of them counts already is not missing when one
        from before them fails."""
        readiness = self.state.readiness
        await self.core.preparer.prepare(deliveries)
        for delivery in deliveries:
            event, announcement = delivery.event, delivery.announcement
            if event is not None and event.group_id is not None and announcement is not None:
                callers = announcement.callers if readiness.has(delivery.pos, ID) else ()
                traits = [trait for trait in announcement.traits if readiness.has(delivery.pos, trait)]
                readiness.announce(callers, event.group_id, traits)

    def _relieve_window(self) -> None:
        """When too much is settled ahead of the cursor, give rows to what holds it back: the oldest events first, and no
        more of them than it takes. A uniformly slow vendor gives none: nothing is ahead then."""
        work = self.state.work
        most = AHEAD_EVENTS * self._shards
        if work.ahead <= most or not self.state.breaker.is_running:
            return
        for delivery in list(work.unsettled.values()):
            if work.ahead <= most:
                return
            lane = delivery.lane or self.state.lanes.take(delivery.log_event.user_key)
            if work.has_record_waiting(delivery):
                continue  # it has been given one, which waits for an earlier event of the same state key
            if lane.current is not delivery or delivery.items is None:
                return  # it waits for its turn behind one that has a row by now: parked in a moment
            self.core.outcomes.park_in_flight(delivery)

    # ------------------------------------------------------------ commits

    async def _commit_on(self) -> None:
        work = self.state.work
        while not (self._is_drained and work.is_empty):  # the last round of the loop may still begin a request
            await self._dirty.wait()
            self._dirty.clear()
            if not work.is_empty:
                await self._commit()
                await self._pause_between_commits()
                if not work.is_empty:
                    self._dirty.set()

    async def _pause_between_commits(self) -> None:
        for _ in range(MOST_PAUSES):
            if self._is_stopping:
                return
            await self._clock.sleep(COMMIT_PAUSE_S)
            if self.state.work.is_awaited:
                return

    async def _commit(self) -> None:
        batch, lanes = self.state.work.close_batch()
        waiting = len(self._waiting_for_commit)
        while True:
            try:
                more = await self._claim.commit(batch)
                break
            except StoreFull:
                if self._is_stopping:
                    raise  # what is not stored is simply repeated after the next start
                await self._clock.sleep(FULL_PAUSE_S)
        self.context.meter.stored(batch.counts)
        core, table = self.core, self.state.lanes
        # The order: first the rows may be read again, then the lanes that wait for it ask for a turn, then idle ones go.
        self.state.work.stored()
        core.releases.stored(batch.opened)
        for key, last in more:
            core.releases.release_rows(key, last)
        core.due_lanes.stored(batch, lanes)
        core.timers.stored(batch)
        core.scheduler.stored()
        for lane in lanes:
            lane.leave_commit()
            table.may_have_rows |= lane.is_stored
            table.let_go(lane)
        if self.state.work.is_empty:
            waiting = len(self._waiting_for_commit)
        for one in self._waiting_for_commit[:waiting]:
            if not one.done():  # whoever waited may have left
                one.set_result(None)
        del self._waiting_for_commit[:waiting]
        self._wake.set()
        if table.may_have_rows and None in batch.lanes.values():
            # Only this task stores lanes, so the answer holds. A free user's event then costs no look into the store.
            table.may_have_rows = await self._claim.lanes.has_any()
