"""The agenda of one destination: lanes whose next attempt is due, timers of keyed state, holds that have lasted too long.

What is due stands in rows; memory knows only when to look next.
"""

from __future__ import annotations

import itertools
from collections import Counter

from router.clock import Clock
from router.deliver.backoff import ASKED_CAP_S
from router.deliver.book import Book
from router.deliver.lanes import Entry, Lane, Lanes, Ready
from router.deliver.settlement import Settlement
from router.deliver.turns import WAKE, Mapped, Turns, made_by, wake_id
from router.deliver.turnstile import Turnstile
from router.destinations import Destination
from router.plugin import Pause, Reject, RetryLater
from router.store import HELD, MAIN, RETRY, ParkedRow, Step, Store
from router.telemetry import Log

DRAINING, REFILL = 100, 20
"""Lanes that let their parked events go at the same time; as many of these must be done before the next ones are looked for."""
TIMERS = 500
USERS = 500
"""With parked rows, that are looked at in one go."""
TIMER_AGAIN_S = 60.0
"""A timer hook that cannot answer now is called again after this, unless it says when."""
TIMER_PAUSE_MS = 250
"""A timer that is due but not at its turn is looked at again after this."""
EXPIRED_LANES, EXPIRED_ROWS, EXPIRED_LETTERS, EXPIRY_PAUSE_MS = 100, 50, 500, 60_000


class Agenda:
    """Owned by the worker; only its loop calls `look`."""

    def __init__(
        self,
        destination: Destination,
        store: Store,
        clock: Clock,
        log: Log,
        book: Book,
        lanes: Lanes,
        ready: Ready,
        settlement: Settlement,
        turns: Turns,
        turnstile: Turnstile,
    ) -> None:
        self._destination, self._store, self._clock, self._log, self._book = destination, store, clock, log, book
        self._lanes, self._ready, self._settlement, self._turns = lanes, ready, settlement, turns
        self._turnstile = turnstile
        self._next_due: int | None = 0
        self._held_back: int | None = None  #: more lanes are due than may drain; how many had drained then
        self._expire_at = 0
        self._looked_for_lanes: str | None = ""  #: users up to here; None: all were looked at

    async def open(self) -> None:
        """Read what must be known before the first look."""
        self._book.last_place = await self._store.last_place(self._destination.name)

    @property
    def next_look(self) -> int | None:
        """When to look again (ms)."""
        if not self._destination.config.enabled:
            return None
        return self._expire_at if self._next_due is None else min(self._next_due, self._expire_at)

    def stored(self, step: Step, lanes: list[Lane]) -> None:
        """A commit is done: what it made due is on the agenda."""
        if step.opened:
            self._next_due = 0
        for lane in lanes:
            if not lane.draining:
                self.expect(lane.due_at)
        for timer in step.timers.values():
            self.expect(timer[0] if timer is not None else None)

    async def look(self) -> None:
        """Set in motion what is due by now."""
        if not self._destination.config.enabled:
            return
        await self._give_lanes()
        now = self._clock.now_ms()
        if self._held_back is not None and self._turnstile.drained - self._held_back >= min(REFILL, DRAINING // 2):
            self._held_back, self._next_due = None, now
        if self._next_due is not None and self._next_due <= now:
            self._next_due = None
            await self._activate(now)
        if now >= self._expire_at:
            await self._expire(now)
            await self._drop_letters(now)

    async def _activate(self, now: int) -> None:
        draining = sum(1 for lane in self._lanes if lane.draining)
        name, limit = self._destination.name, DRAINING + draining
        keys = await self._store.due(name, now, limit)
        lanes = [self._lanes.take(key, loaded=False) for key in keys]
        with self._lanes.in_hand(lanes):
            await self._turnstile.load_lanes(lanes)  # read anew: a row may have changed while it was on its way
            for lane in lanes:
                if lane.draining or lane.due_at is None or lane.due_at > now or not lane.rows:
                    continue
                if draining >= DRAINING:
                    break
                draining += 1
                lane.draining = True
                self._ready.add(lane)
        await self._wake_plugin(now)
        later = await self._store.next_due(name, now)
        if draining >= DRAINING:
            self._held_back = self._turnstile.drained  # the rest when some of these are done
        self.expect(later if draining >= DRAINING or len(keys) < limit else now)

    def expect(self, at: int | None) -> None:
        """Something is due then; look at that time at the latest."""
        if at is not None:
            self._next_due = at if self._next_due is None else min(at, self._next_due)

    async def _give_lanes(self) -> None:
        """After a start, a slice of users at a time: give a due lane to parked rows that have none. Whatever took it from them,
        they must not wait for ever."""
        if self._looked_for_lanes is None:
            return
        name, given = self._destination.name, 0
        found, self._looked_for_lanes = await self._store.without_lane(name, self._looked_for_lanes, USERS)
        for key, (held, main, since) in found.items():
            async with self._turnstile.lane(key) as lane:
                if lane.rows or lane.uncommitted or lane.current:
                    continue  # it has a lane by now; what that does not count is found after the next start
                lane.held, lane.main, lane.held_since, lane.mode = held, main, since, RETRY
                self._turnstile.may_have_rows = True
                self._settlement.drain(lane)
                given += 1
        if given:
            self._log.emit("lanes_given", users=given)
        if self._looked_for_lanes is not None:
            self._ready.wake()

    async def _expire(self, now: int) -> None:
        """Give up what has been held for too long, a slice at a time; each event's age runs from its own hold."""
        self._expire_at = now + EXPIRY_PAUSE_MS
        before = now - int(self._destination.config.hold.max_age_s * 1000)
        keys = await self._store.held_since(self._destination.name, before, EXPIRED_LANES)
        if len(keys) == EXPIRED_LANES:
            self._expire_at = now
        lanes = [self._lanes.take(key, loaded=False) for key in keys]
        with self._lanes.in_hand(lanes):
            await self._turnstile.load_lanes(lanes)
            waiting = [lane for lane in lanes if lane.held and not (lane.current or lane.fence or lane.deferred)]
            found = (
                await self._turnstile.parked([(lane.key, HELD, -1) for lane in waiting], EXPIRED_ROWS)
                if waiting
                else []
            )
            for lane, rows in zip(waiting, found, strict=True):
                self._expire_lane(lane, rows, before)

    def _expire_lane(self, lane: Lane, rows: list[ParkedRow], before: int) -> None:
        expired = list(itertools.takewhile(lambda row: row.state == "held" and row.parked_at < before, rows))
        left = rows[len(expired) :]
        for row in expired:
            words = f"held for longer than hold.max_age: {row.reason}"
            self._settlement.bury(self._turnstile.entry(row, lane), "hold_expired", words)
        lane.held_since = left[0].parked_at if left else before if lane.held else 0
        lane.rewind(HELD, 0)
        if not lane.rows:
            self._turnstile.free(lane)
        elif expired:
            self._settlement.ask_again(lane)  # another event is the first now, and may wait for something else

    async def _drop_letters(self, now: int) -> None:
        """Drop the oldest dead letters, a slice at a time, where they are too old or too many bytes. Their events stay dead."""
        bounds, book = self._destination.config.dead, self._book
        before = now - int(bounds.max_age_s * 1000)
        dropped: Counter[str] = Counter()
        before_read = book.taken_up()
        oldest = await self._store.oldest_letters(self._destination.name, EXPIRED_LETTERS) if book.letters else []
        taken = before_read | book.taken_up()
        for pos, at, size in oldest:
            reason = "max_age" if at < before else "max_bytes" if book.letter_bytes > bounds.max_bytes else ""
            if not reason:
                break
            if pos not in taken:
                book.unbury(pos, size)
                dropped[reason] += 1
        for reason, n in dropped.items():
            self._log.emit("letters_dropped", letters=n, reason=reason)
        if dropped.total() == EXPIRED_LETTERS:
            self._expire_at = now

    async def _wake_plugin(self, now: int) -> None:
        """Call the timer hook for what is due; its items park in the lane of the event that set the timer."""
        if WAKE not in self._destination.hooks:
            return
        unstored = self._book.unstored()
        for key, due_at, user_key in await self._store.due_timers(self._destination.name, now, TIMERS):
            newer = self._book.is_open(key) or any(key in step.timers for step in unstored)
            async with self._turnstile.lane(user_key) as lane:
                if newer or not self._is_timers_turn(lane, due_at):
                    self.expect(now + TIMER_PAUSE_MS)
                    continue
                result = await self._turns.wake(key, due_at, lane)
                if isinstance(result, RetryLater | Pause):
                    asked = result.after_s if result.after_s is not None and result.after_s > 0 else TIMER_AGAIN_S
                    self._book.timer(key, (now + int(1000 * min(asked, ASKED_CAP_S)), user_key))
                if isinstance(result, Pause):
                    self._settlement.pause(result)
                if isinstance(result, Mapped | Reject):
                    self._park_wake(lane, key, due_at, result)

    def _is_timers_turn(self, lane: Lane, due_at: int) -> bool:
        """A timer takes its turn in its lane, behind everything accepted before it was due: that may set it anew."""
        unread = self._store.head > self._book.read_pos and self._book.read_at < due_at
        busy = lane.current or lane.waiting or lane.main or lane.deferred or lane.joining or lane.frozen
        return not (unread or busy)

    def _park_wake(self, lane: Lane, key: str, due_at: int, result: Mapped | Reject) -> None:
        place = self._book.next_place()
        name = self._destination.name
        message_id = wake_id(name, key, due_at)
        row = ParkedRow(
            -place, lane.key, MAIN, place, "queued", WAKE, 0, due_at, "", WAKE, message_id, "", "", b"", None,
            made_by(self._destination), 0, 0,
        )  # fmt: skip
        entry = Entry(row, lane)
        entry.parked = False  # its row is still to be written
        if isinstance(result, Reject):
            self._book.bury(entry, result.reason, result.detail)
            return
        entry.items = result.items
        self._settlement.insert(entry, WAKE)
        self._book.fence(lane)  # sent before it is stored, a crash would tell it once more and otherwise
