"""The lanes of one destination that are in memory, and which of them wait for what."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from router.deliver.lanes.delivery import Delivery
from router.deliver.lanes.lane import Lane, Wait
from router.vocabulary import Line


class LaneTable:
    """Finds lanes by user key and by what they wait for. Transitions that change what a lane waits for go through it."""

    def __init__(self) -> None:
        self.in_memory: dict[str, Lane] = {}  #: by user key
        self._by_key: dict[str, set[Lane]] = {}
        self.draining: Counter[Line] = Counter()  #: lanes that drain, by line
        self.drained: Counter[Line] = Counter()  #: lanes that drain no longer, ever, by line
        self.in_flight: dict[str, Delivery] = {}  #: users without a lane and with one event in flight
        self._let_go: set[str] | None = None
        self.may_have_rows = True  #: False: it is certain that no lane has a row

    def __iter__(self) -> Iterator[Lane]:
        return iter(list(self.in_memory.values()))

    def __len__(self) -> int:
        return len(self.in_memory)

    def __contains__(self, key: object) -> bool:
        return key in self.in_memory

    def get(self, key: str) -> Lane | None:
        """The lane in memory, if it is there."""
        return self.in_memory.get(key)

    def take(self, key: str, *, is_new: bool = False) -> Lane:
        """The lane of this key; made where there is none. `is_new`: it is certain that it has no row.

        A user who was free gets a lane with the event in flight as its current one: nothing overtakes it.
        """
        lane = self.in_memory.get(key)
        if lane is None:
            in_flight = self.in_flight.pop(key, None)
            is_loaded = is_new or in_flight is not None or not self.may_have_rows
            lane = self.in_memory[key] = Lane(key, is_loaded=is_loaded)
            if in_flight is not None:
                in_flight.lane = lane
                lane.start(in_flight)
        return lane

    def is_free(self, key: str) -> bool:
        """Whether nothing of this user waits or is in flight here, as far as memory knows."""
        return key not in self.in_memory and key not in self.in_flight

    def watch_let_go(self) -> set[str]:
        """Begin to note the lanes that are forgotten with a row: a snapshot that is being read may not show it."""
        self._let_go = set()
        return self._let_go

    def unwatch_let_go(self) -> None:
        """The snapshot is here."""
        self._let_go = None

    def waiting_for(self, key: str) -> list[Lane]:
        """Lanes in memory whose held queue waits for this. Rows know the others."""
        return sorted(self._by_key.get(key, ()), key=lambda lane: lane.key)

    # ------------------------------------------------------------ transitions

    def hold(self, lane: Lane, order_key: int, wait: Wait) -> None:
        """See `Lane.hold`."""
        self._forget_wait(lane)
        lane.hold(order_key, wait)
        self._index_wait(lane)

    def ask_again(self, lane: Lane) -> None:
        """See `Lane.ask_again`."""
        self._forget_wait(lane)
        lane.ask_again()

    def index(self, lane: Lane) -> None:
        """A lane was restored from its row."""
        self._index_wait(lane)

    def drain(self, lane: Lane, line: Line, now_ms: int) -> None:
        """See `Lane.drain`."""
        if not lane.is_draining:
            self.draining[line] += 1
        lane.drain(line, now_ms)

    def block(self, lane: Lane, due_at: int, attempts: int, reason: str) -> None:
        """See `Lane.block`."""
        self._leave_draining(lane)
        if not lane.held.count:
            self._forget_wait(lane)
        lane.block(due_at, attempts, reason)

    def end_drain(self, lane: Lane) -> None:
        """See `Lane.end_drain`."""
        self._leave_draining(lane)
        if not lane.held.count:
            self._forget_wait(lane)
        lane.end_drain()

    def free(self, lane: Lane) -> None:
        """See `Lane.free`."""
        self._leave_draining(lane)
        self._forget_wait(lane)
        lane.free()

    def move_held(self, source: Lane, target: Lane) -> None:
        """What the source holds becomes the target's. See `Lane.adopt_held`."""
        self._forget_wait(source)
        target.adopt_held(source)
        if not source.main.count and not source.is_draining:
            source.free()

    def _leave_draining(self, lane: Lane) -> None:
        if lane.is_draining:
            self.draining[lane.line] -= 1
            self.drained[lane.line] += 1

    def _index_wait(self, lane: Lane) -> None:
        for key in lane.wait.keys:
            self._by_key.setdefault(key, set()).add(lane)

    def _forget_wait(self, lane: Lane) -> None:
        for key in lane.wait.keys:
            waiting = self._by_key.get(key)
            if waiting is not None:
                waiting.discard(lane)
                if not waiting:
                    del self._by_key[key]

    # ------------------------------------------------------------ how long an object lives

    @contextmanager
    def pinned(self, lanes: Sequence[Lane]) -> Iterator[None]:
        """Keep these objects the only ones of their users while something is awaited."""
        for lane in lanes:
            lane.pin()
        try:
            yield
        finally:
            for lane in lanes:
                lane.unpin()
                self.let_go(lane)

    def let_go(self, lane: Lane) -> None:
        """Forget a lane that is idle; its row, if any, remains."""
        if lane.is_idle and self.in_memory.get(lane.key) is lane:
            self._forget_wait(lane)
            del self.in_memory[lane.key]
            if lane.is_stored and self._let_go is not None:
                self._let_go.add(lane.key)
