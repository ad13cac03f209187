"""Which lanes may go out: those whose gate may have opened, those that are due, those that hold the window back."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from router.deliver.context import DeliveryState
from router.deliver.lanes.lane import Lane
from router.vocabulary import LaneState, Line


class Releases:
    """Owned by a worker."""

    def __init__(self, state: DeliveryState, now_ms: Callable[[], int]) -> None:
        self._work, self._lanes, self._run_queue = state.work, state.lanes, state.run_queue
        self._now_ms = now_ms
        self._on_their_way: dict[str, int] = {}  #: wait keys that are met, but not in a finished commit yet: commits
        self._met_since: set[str] = set()

    # ------------------------------------------------------------ what is waited for

    def release(self, keys: Iterable[str]) -> None:
        """Lanes that wait for one of these may ask their gate again: those in memory now, rows with the commit."""
        if self._work.held <= 0:
            return
        for key in keys:
            self.release_rows(key, "")
            for lane in self._lanes.waiting_for(key):
                self.ask_again(lane)

    def release_rows(self, key: str, last: str) -> None:
        """Release the rows that wait for this, behind the last one done, with the next commit."""
        if self._work.release_waiting(key, last):
            self._on_their_way[key] = self._on_their_way.get(key, 0) + 1
        self._met_since.add(key)

    def stored(self, keys: Iterable[str]) -> None:
        """A commit that released these is done."""
        for key in keys:
            self._on_their_way[key] -= 1
            if not self._on_their_way[key]:
                del self._on_their_way[key]

    def watch(self) -> Callable[[], set[str]]:
        """Begin to note which keys are met while something is read: the snapshot may be older than their commit."""
        before = set(self._on_their_way)
        self._met_since.clear()
        return lambda: before | self._met_since

    # ------------------------------------------------------------ lanes

    def ask_again(self, lane: Lane) -> None:
        """The lane's held queue may have become open."""
        self._lanes.ask_again(lane)
        if lane.state is LaneState.HOLDING or not lane.must_park:
            self.drain(lane, Line.RELEASE)
        else:
            self._work.mark_dirty(lane)  # it drains when its retry is due; that its need is met must outlive a start

    def try_all_now(self) -> None:
        """Whatever is to be tried again is due now: lanes in memory at once, rows with the commit."""
        self._work.make_retries_due()
        for lane in self._lanes:
            self.try_now(lane)

    def try_now(self, lane: Lane) -> None:
        """The lane's retry is due."""
        now = self._now_ms()
        if lane.state is LaneState.BLOCKED and lane.due_at is not None and lane.due_at > now:
            self._lanes.block(lane, now, lane.attempts, lane.wait.reason)
            self._work.mark_dirty(lane)

    def drain(self, lane: Lane, line: Line) -> None:
        """Parked events go out now; new ones of this user park behind them."""
        self._lanes.drain(lane, line, self._now_ms())
        self._work.mark_dirty(lane)
        self._run_queue.add(lane)
