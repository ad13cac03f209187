"""One event at one destination, from its read to its settlement."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from router.consent import Withheld
from router.plugin import Event, Item
from router.plugin_host import Stopped
from router.store import ORDER_KEY_STEP, LogRow, ParkedRow
from router.vocabulary import EventState, Line, Queue

if TYPE_CHECKING:
    from router.deliver.lanes.lane import Lane


class Announcement(msgspec.Struct, frozen=True):
    """What an identify, group or alias call tells, and whom it concerns once it is settled."""

    callers: frozenset[str] = frozenset()  #: user keys whose group a group call tells
    concerned: tuple[str, ...] = ()  #: user keys whose held events may be let go by it
    traits: tuple[str, ...] = ()  #: names of the group traits that a group call tells something of
    is_asked_for: bool = False  #: the directory refers to this very group call: for a membership, or for a trait


class RowFields(msgspec.Struct):
    """What the parked row of an event says, or would say. An event that never waited has none of this."""

    queue: Queue
    order_key: int
    is_parked: bool = False  #: a row exists, or stands in a commit on its way
    state: EventState | None = None
    attempts: int = 0
    first_at: int = 0  #: running time of the destination at the first attempt (ms)
    linked: str = ""  #: userId that an anonymous event was joined to
    release_as: str = ""  #: JSON: the group that an operator released it with
    mapped_by: str = ""  #: plugin and item version that made the items
    origin: int = 0  #: the settled event that this is a second sending of; 0: it is itself
    was_mapped: bool = False  #: mapping it again changes no keyed state


NO_WEIGHT = (Line.LIVE, 0)
_QUEUES = {str(queue): queue for queue in Queue}
_STATES = {str(state): state for state in EventState}
"""By what is stored. An enumeration that is asked for a value takes five times as long."""


class Delivery:
    """An event on its way. `lane` is None while nothing else of its user waits here."""

    __slots__ = (
        "announcement", "as_of", "body", "event", "items", "lane", "line_ids", "log_event", "max_batch", "pos", "row", "stopped",
        "waits", "weight",
    )  # fmt: skip

    stopped: (
        Withheld | Stopped | None
    )  #: what keeps it back; set where the destination asks for consent or has filters, once it is opened

    def __init__(self, log_event: LogRow | ParkedRow, lane: Lane | None = None) -> None:
        self.log_event = log_event
        self.lane = lane
        self.pos = log_event.pos
        self.body = log_event.body  #: as it is decided by: a replay asks the tracking plan again
        self.event: Event | None = None  #: opened, as this destination's plugin sees it
        self.items: list[Item] | None = None  #: what is left to send, once mapped
        self.announcement: Announcement | None = None
        self.max_batch: int | None = None  #: at most this many items in its next request, after a batch failed
        self.row: RowFields | None = None
        self.as_of = self.pos  #: the position by which the directory is asked
        self.line_ids: tuple[str, bytes] | None = (
            None  #: of a parked event: its user key, and its ids as a part of a line of the log
        )
        self.waits = 0  #: 429s that it has met
        self.weight: tuple[Line, int] = (
            NO_WEIGHT  #: the line it is sent in, and bytes of its items, once it waits for a request
        )

    @classmethod
    def of_row(cls, row: ParkedRow, lane: Lane, *, is_parked: bool = True) -> Delivery:
        """A parked event, taken up again."""
        delivery = cls(row, lane)
        delivery.row = RowFields(
            _QUEUES[row.queue],
            row.place,
            is_parked,
            _STATES[row.state],
            row.attempts,
            row.first_at,
            row.linked,
            row.given,
            row.made_by,
            row.origin,
        )
        delivery.as_of = row.origin or row.pos
        return delivery

    def close(self) -> None:
        """It was mapped: what was made of its body, six times as large, is not needed any more, but for what it tells once it is settled."""
        if self.announcement is None:
            self.event = None

    @property
    def fields(self) -> RowFields:
        """The row's fields; made where there are none yet."""
        if self.row is None:
            self.row = RowFields(Queue.MAIN, self.pos * ORDER_KEY_STEP)
        return self.row

    @property
    def user_key(self) -> str:
        """The key of the user in whose lane it stands."""
        return self.lane.key if self.lane is not None else self.log_event.user_key

    @property
    def order_key(self) -> int:
        """Its place among the events of its lane."""
        return self.row.order_key if self.row is not None else self.pos * ORDER_KEY_STEP

    @property
    def is_parked(self) -> bool:
        """Whether it has a row, stored or in a commit on its way."""
        return self.row is not None and self.row.is_parked

    @property
    def is_held(self) -> bool:
        """Whether it stands in the held queue."""
        return self.row is not None and self.row.is_parked and self.row.queue is Queue.HELD

    @property
    def attempts(self) -> int:
        """Failed attempts so far."""
        return self.row.attempts if self.row is not None else 0

    @property
    def origin(self) -> int:
        """The settled event that this is a second sending of; 0: it is itself."""
        return self.row.origin if self.row is not None else 0

    @property
    def is_replay(self) -> bool:
        """Whether a replay has fed it. Only a replay puts an event between two others; what a timer returns is no event."""
        return self.row is not None and self.row.order_key % ORDER_KEY_STEP != 0

    @property
    def is_counted(self) -> bool:
        """False for what a timer returned and for a second sending: the ledger's seven do not count them."""
        return self.pos > 0
