"""The parts of one destination without the loop that runs them: real lanes, a real unit of work, rows and events made by hand."""

from __future__ import annotations

from datetime import UTC, datetime
from random import Random
from typing import Any

from router.deliver.context import DeliveryContext, DeliveryState
from router.deliver.event_lines import EventLines
from router.deliver.lanes.delivery import Delivery
from router.deliver.lanes.lane import Lane
from router.deliver.send.rate_limit import RateLimit
from router.deliver.settle.event_outcomes import EventOutcomes
from router.deliver.settle.releases import Releases
from router.logger import make_log
from router.metrics import Meter
from router.plugin import Event
from router.store import ORDER_KEY_STEP, CursorRow, LaneRow, LogRow, ParkedRow, Status
from router.testing.clock import START_MS, FakeClock
from router.vocabulary import Queue
from tests.contract.rig import Gated, Vendor, destination
from tests.contract.store_case import StoreCase

START = datetime.fromtimestamp(START_MS / 1000, UTC)


class NoClaim:
    """For parts that never ask the store."""

    cursor: CursorRow | None = None
    directory = keyed_state = lanes = dead_letters = replays = None
    is_silent = False

    def may_send(self, for_s: float) -> bool:
        """Unless a test says that it is silent."""
        return not self.is_silent


def cursor(pos: int = 0, **fields: Any) -> CursorRow:
    """Where a destination stands that began at `pos`."""
    return CursorRow(**{"start": pos, "pos": pos, "ahead": set(), "held": 0, "retrying": 0, "status": Status(),
                        "added": False, **fields})  # fmt: skip


def log_row(pos: int, user_key: str = "u:u1", type: str = "track", size: int = 10) -> LogRow:
    """An event as the log has it, with a body of this many bytes."""
    return LogRow(pos, START_MS, "web", type, user_key, f"m{pos}", b"x" * size)


def parked_row(pos: int, user_key: str = "u:u1", queue: Queue = Queue.MAIN, **fields: Any) -> ParkedRow:
    """A parked event."""
    row = ParkedRow(
        pos, user_key, queue, pos * ORDER_KEY_STEP, "queued", "", 0, 0, "web", "track", f"m{pos}", "", "", b"", None, "",
        0, 0,
    )  # fmt: skip
    for name, value in fields.items():
        setattr(row, name, value)
    return row


def lane_row(mode: str, **fields: Any) -> LaneRow:
    """The stored image of the lane of u1."""
    return LaneRow(**{"user_key": "u:u1", "mode": mode, "need": "", "reason": "", "group_id": "", "due_at": None,
                      "attempts": 0, "held": 0, "main": 0, "held_since": 0, "first_held": 0, **fields})  # fmt: skip


def event(type: str = "track", **fields: Any) -> Event:
    """An event of the wire, opened."""
    now = dict.fromkeys(("timestamp", "original_timestamp", "received_at"), START)
    return Event(**{"type": type, "message_id": "m", "source": "web", **now, **fields})


class Parts:
    """What a worker has, as far as it never waits."""

    def __init__(
        self,
        plugin: type[Any] = Gated,
        store: StoreCase | None = None,
        pos: int = 0,
        **tables: Any,
    ) -> None:
        self.clock, self.vendor = FakeClock(), Vendor()
        self.log = make_log("error", "json", clock=self.clock)
        made = destination(plugin, self.vendor, **tables)
        claim: Any = store.claim("d") if store is not None else NoClaim()
        claim.cursor = claim.cursor or cursor(pos)
        event_log: Any = store.log if store is not None else None
        health: Any = store.health if store is not None else None
        given = made.config.delivery.rate
        rate = RateLimit(given, self.clock) if given else None
        self.context = DeliveryContext(
            made, event_log, claim, health, self.clock, self.log, Random(1), Meter(), rate=rate
        )
        self.wakes = self.commits_wanted = 0
        self.state = DeliveryState.open(self.context, self._wake, self._want_commit)
        self.lanes, self.work, self.run_queue = self.state.lanes, self.state.work, self.state.run_queue
        self.breaker, self.readiness = self.state.breaker, self.state.readiness
        self.releases = Releases(self.state, self.clock.now_ms)
        self.lines = EventLines(self.log)
        self.outcomes = EventOutcomes(self.context, self.state, self.releases, self.lines)

    def _wake(self) -> None:
        self.wakes += 1

    def _want_commit(self) -> None:
        self.commits_wanted += 1

    def lane(self, key: str = "u:u1") -> Lane:
        """The lane of a user; a new one has no row."""
        return self.lanes.take(key, is_new=True)

    def read(self, pos: int, user_key: str = "u:u1", type: str = "track", size: int = 10) -> Delivery:
        """An event read from the log, which stands in its user's lane."""
        delivery = Delivery(log_row(pos, user_key, type, size), self.lane(user_key))
        self.work.read(delivery)
        self.work.read_pos = max(self.work.read_pos, pos)
        return delivery
