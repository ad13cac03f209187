"""Lanes: one object per busy or blocked user of a destination, the only truth about that user here. Rows are its image.

A lane is free (its events take their turn one after the other), blocked by a retry (everything parks), draining (its
parked rows go out, new events park behind them), or it only holds events whose gate is closed (the rest goes past them).
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from router.plugin import Event, Item
from router.store import HELD, MAIN, PLACES, RETRY, WAITING, LaneRow, LogRow, ParkedRow, Step


class Entry:
    """One event at this destination, from its read to its settlement. `parked`: it has a row, written or about to be."""

    __slots__ = (
        "as_of", "attempts", "callers", "chained", "changes", "deferred", "event", "first_at", "given", "items", "lane", "linked",
        "made_by", "origin", "parked", "place", "pos", "queue", "row", "share", "state", "tells",
        "told", "turned",
    )  # fmt: skip

    def __init__(self, row: LogRow | ParkedRow, lane: Lane) -> None:
        self.row = row
        self.lane = lane
        self.pos = row.pos
        self.event: Event | None = None
        self.items: list[Item] | None = None
        self.state = ""  #: of its row: held, retrying or queued
        self.chained: str | None = None  #: the state key whose order its records must keep
        self.changes: list[Callable[[], None]] = []  #: of keyed state, written with the first record
        self.deferred: list[Callable[[], None]] = []  #: records that wait for an earlier event of the same state key
        self.share: int | None = None  #: at most this many items in its next request, after a batch failed
        self.told: tuple[str, ...] = ()  #: user keys that may wait for what an identify, group or alias tells
        self.callers: frozenset[str] = frozenset()  #: of them, those whose group a group call tells
        self.tells: tuple[str, ...] = ()  #: traits of which a group call tells something, by the names it gives them
        self.turned = False  #: mapped once already: mapping it again changes no state
        if isinstance(row, ParkedRow):
            self.parked, self.queue, self.place, self.state = True, row.queue, row.place, row.state
            self.attempts, self.first_at, self.linked = row.attempts, row.first_at, row.linked
            self.given, self.made_by, self.origin = row.given, row.made_by, row.origin
        else:
            self.parked, self.queue, self.place = False, MAIN, row.pos * PLACES
            self.attempts = self.first_at = self.origin = 0
            self.linked = self.given = self.made_by = ""
        self.as_of = self.origin or self.pos  #: the position by which the directory is asked

    @property
    def counted(self) -> bool:
        """False for what a timer returned and for a second sending: neither is an accepted event of its own in the ledger."""
        return self.pos > 0


class Lane:
    """One user of one destination."""

    __slots__ = (
        "ahead",
        "also",
        "attempts",
        "buffers",
        "current",
        "deferred",
        "draining",
        "due_at",
        "fence",
        "fetched",
        "first_held",
        "frozen",
        "group_id",
        "held",
        "held_since",
        "in_hand",
        "joining",
        "key",
        "loaded",
        "main",
        "mode",
        "need",
        "over",
        "queued",
        "reason",
        "stored",
        "uncommitted",
        "waiting",
    )  # fmt: skip

    def __init__(self, key: str, *, loaded: bool) -> None:
        self.key = key
        self.loaded = loaded  #: False: a row may exist that was not read yet
        self.current: Entry | None = None  #: the event in flight
        self.waiting: deque[Entry] = deque()  #: read from the log, no turn yet, no row
        self.deferred: set[int] = set()  #: positions whose record waits in the book: their rows are not what they were
        self.in_hand = 0  #: the loop works with this object over an await; it must stay the only one
        self.ahead = 1  #: how many of its events are prepared for its next turn
        self.queued = False  #: stands in the worker's list of lanes that want a turn
        self.stored = False  #: a row exists, or is about to
        self.uncommitted = 0  #: steps on their way that carry this lane
        #: parked ones read ahead while draining, by queue; made when first asked for: most lanes never park anything
        self.buffers: defaultdict[str, deque[Entry]] = defaultdict(deque)
        self.fetched: dict[str, int] = {}  #: place of the last row taken out of each queue
        self.draining = False
        self.fence: Step | None = None  #: rows are not read before this step is stored: it changes them in bulk
        self.frozen = False  #: what it holds moves away with the fenced step: no turn before that is stored
        self.joining: list[Lane] = []  #: lanes of users whose linking call waits for what is in flight here
        self.mode, self.need, self.also, self.reason, self.group_id = "", "", "", "", ""
        self.due_at: int | None = None
        self.over = False  #: more stands behind the event that is tried again than may: it is to be given up
        self.attempts = self.held = self.main = self.held_since = self.first_held = 0

    @property
    def blocked(self) -> bool:
        """New events must park: an attempt is awaited, or parked ones go out first, now or once it is this lane's turn to drain."""
        return self.draining or self.mode == RETRY or self.main > 0

    @property
    def rows(self) -> int:
        """Parked rows, written or about to be."""
        return self.held + self.main

    @property
    def idle(self) -> bool:
        """Nothing in memory hangs on this object: its row, if any, says it all."""
        if self.in_hand or self.deferred or (self.mode == RETRY and not self.stored):
            return False  # not stored: its first row waits in the book
        return not (self.current or self.waiting or self.queued or self.uncommitted or self.draining or self.joining)

    def rewind(self, queue: str, place: int) -> None:
        """The row at this place is to be read again, or was put there just now."""
        self.fetched[queue] = min(self.fetched.get(queue, -1), place - 1)
        self.buffers[queue].clear()

    def open_queues(self) -> list[str]:
        """The queues a draining lane takes its next event from: held ones unless their first gate is known to be shut."""
        return [HELD] * bool(self.held and not self.need) + [MAIN] * bool(self.main)

    def head(self) -> Entry | None:
        """The oldest parked event that may have its turn; None when it must be read first. Oldest of both queues: calls of
        one user keep the order of acceptance, but for those that a shut gate holds."""
        queues = self.open_queues()
        if not queues or not all(self.buffers[queue] for queue in queues):
            return None
        return min((self.buffers[queue][0] for queue in queues), key=lambda entry: entry.place)

    def image(self) -> LaneRow | None:
        """The row of this lane; None when it needs none."""
        if not self.rows:
            return None
        return LaneRow(
            self.key, self.mode or RETRY, self.need, self.reason, self.group_id, self.due_at, self.attempts, self.held,
            self.main, self.held_since, self.first_held, self.also,
        )  # fmt: skip


class Lanes:
    """The lanes in memory, and which of them wait for what."""

    def __init__(self) -> None:
        self._lanes: dict[str, Lane] = {}
        self._by_need: dict[str, set[Lane]] = {}

    def __iter__(self) -> Iterator[Lane]:
        return iter(list(self._lanes.values()))

    def __len__(self) -> int:
        return len(self._lanes)

    def get(self, key: str) -> Lane | None:
        """The lane in memory, if it is there."""
        return self._lanes.get(key)

    def take(self, key: str, *, loaded: bool) -> Lane:
        """The lane of this key; made where there is none (`loaded`: it is certain that no row exists)."""
        lane = self._lanes.get(key)
        if lane is None:
            lane = self._lanes[key] = Lane(key, loaded=loaded)
        return lane

    def restore(self, lane: Lane, row: LaneRow | None) -> None:
        """Take over what the row says; None: there is no row."""
        lane.loaded = True
        if row is None:
            return
        lane.mode, lane.reason, lane.group_id = row.mode, row.reason, row.group_id
        lane.due_at, lane.attempts, lane.held, lane.main = row.due_at, row.attempts, row.held, row.main
        lane.held_since, lane.first_held, lane.stored = row.held_since, row.first_held, True
        self.set_need(lane, row.need, row.also)

    def hold(self, lane: Lane, place: int, reason: str, needs: tuple[str, str], group_id: str) -> None:
        """The held queue waits for one of these since the gate of the event at `place` is shut; the rest goes past it."""
        lane.first_held, lane.reason, lane.group_id = place, reason, group_id
        self.set_need(lane, *needs)
        if not lane.blocked:
            lane.mode, lane.due_at = WAITING, None

    def set_need(self, lane: Lane, need: str, also: str = "") -> None:
        """What the held queue waits for, and what else will do; "": ask the gate again."""
        for former in filter(None, (lane.need, lane.also)):
            waiting = self._by_need[former]
            waiting.discard(lane)
            if not waiting:
                del self._by_need[former]
        lane.need, lane.also = need, also
        for present in filter(None, (need, also)):
            self._by_need.setdefault(present, set()).add(lane)

    def waiting_for(self, need: str) -> list[Lane]:
        """Lanes in memory whose held queue waits for `need`. Rows know the others."""
        return sorted(self._by_need.get(need, ()), key=lambda lane: lane.key)

    def free(self, lane: Lane) -> None:
        """The last parked row is gone."""
        self.set_need(lane, "")
        lane.mode = lane.reason = lane.group_id = ""
        lane.due_at, lane.attempts, lane.held_since, lane.draining, lane.over = None, 0, 0, False, False
        for buffer in lane.buffers.values():
            buffer.clear()

    @contextmanager
    def in_hand(self, lanes: Sequence[Lane]) -> Iterator[None]:
        """Keep these objects the only ones of their users while something is awaited."""
        for lane in lanes:
            lane.in_hand += 1
        try:
            yield
        finally:
            for lane in lanes:
                lane.in_hand -= 1
                self.let_go(lane)

    def let_go(self, lane: Lane) -> None:
        """Forget a lane that is idle; its row, if any, remains."""
        if lane.idle and self._lanes.get(lane.key) is lane:
            self.set_need(lane, "")
            del self._lanes[lane.key]


class Ready:
    """The lanes that may have a turn to take, in the order they asked for it; those that drain in a line of their own."""

    def __init__(self, wake: Callable[[], None]) -> None:
        self._live: deque[Lane] = deque()
        self._draining: deque[Lane] = deque()
        self.wake = wake  #: let the loop look again

    def add(self, lane: Lane) -> None:
        """This lane may have a turn to take."""
        if not lane.queued:
            lane.queued = True
            (self._draining if lane.draining else self._live).append(lane)
        self.wake()

    def take_live(self, most: int) -> list[Lane]:
        """The first lanes of those that do not drain, which stand there no more."""
        return _take(self._live, most)

    def take_draining(self, most: int) -> list[Lane]:
        """The first lanes of those that drain, which stand there no more."""
        return _take(self._draining, most)


def _take(line: deque[Lane], most: int) -> list[Lane]:
    lanes = [line.popleft() for _ in range(min(most, len(line)))]
    for lane in lanes:
        lane.queued = False
    return lanes
