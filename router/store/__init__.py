"""What a store is: the rows it keeps and the verbs that change them. No SQL, connection or transaction crosses this line.

`append` and `commit` are the only writes. Both are durable when they return; everything in one Step is stored or nothing
of it. Every read may lag behind what is being committed, and each is one consistent snapshot.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import msgspec

from router.event import Call, Discard

PART = 0
"""The one partition of a store that runs in one process."""

PLACES = 1024
"""An event's place in its queue is pos * PLACES; what a timer returns gets a place between two events."""

HELD, MAIN = "held", "main"
"""The two queues of a lane."""

WAITING, RETRY = "waiting", "retry"
"""Why a lane is blocked: its held queue waits for a group call, or everything waits for the next attempt."""


class Facts(msgspec.Struct):
    """What an identify, group or alias call tells the directory. Keys are user keys."""

    user_key: str
    user_traits: dict[str, Any] | None = None
    group_id: str | None = None
    group_traits: dict[str, Any] = {}
    joins: bool = False  #: a group call that names a user: they are a member from here on
    link: tuple[str, str] | None = None  #: (key that becomes known, key of the user it belongs to)


class LogRow(msgspec.Struct):
    """An accepted event as the log keeps it."""

    pos: int
    received_at: int
    source: str
    type: str
    user_key: str
    message_id: str
    body: bytes


class ParkedRow(msgspec.Struct):
    """An event that stands behind a blocked lane, body copied. `items`: what is left to send, once mapped."""

    pos: int
    user_key: str
    queue: str
    place: int
    state: str
    reason: str
    parked_at: int
    received_at: int
    source: str
    type: str
    message_id: str
    linked: str
    given: str
    body: bytes
    items: bytes | None
    made_by: str
    attempts: int
    first_at: int


class DeadRow(msgspec.Struct):
    """A dead letter."""

    pos: int
    at: int
    user_key: str
    reason: str
    detail: str
    received_at: int
    source: str
    type: str
    message_id: str
    linked: str
    body: bytes
    items: bytes | None
    made_by: str
    attempts: int


class LaneRow(msgspec.Struct):
    """The image of a blocked lane. `held`, `main`: rows in its two queues."""

    user_key: str
    mode: str
    need: str
    reason: str
    group_id: str
    due_at: int | None
    attempts: int
    held: int
    main: int
    held_since: int
    first_held: int


class AttemptRow(msgspec.Struct):
    """One try to send an event, where it failed, followed a failure, or was a dry run (`request`: what would be sent)."""

    pos: int
    at: int
    duration_ms: int
    status: int | None
    error: str
    reason: str
    request: str = ""


class SupplyRow(msgspec.Struct):
    """A group call that does not supply at a destination; `missing`: "id" and traits nobody has supplied since."""

    pos: int
    user_key: str
    group_id: str
    missing: list[str]


class Status(msgspec.Struct, frozen=True):
    """Whether a destination runs. `until`: when it tries again by itself (ms), 0 for never."""

    state: str = "running"
    reason: str = ""
    since: int = 0
    until: int = 0
    detail: str = ""
    stopped_ms: int = 0  #: how long it stood still in all, before this state


class CursorRow(msgspec.Struct):
    """How far a destination has settled."""

    start: int
    pos: int
    ahead: set[int]
    held: int
    retrying: int
    status: Status
    added: bool  #: True where this call created it


class Membership(msgspec.Struct, frozen=True):
    """From `pos` on, the user belongs to this group; the group call at `call_pos` said so."""

    pos: int
    group_id: str
    call_pos: int


class Company(msgspec.Struct, frozen=True):
    """A group: merged traits, and since which position each trait is known."""

    traits: Mapping[str, Any]
    since: Mapping[str, int]


class Late(msgspec.Struct):
    """The outcome of an event that had a row until now."""

    pos: int
    source: str
    message_id: str
    state: str
    reason: str


@dataclass
class Step:
    """Everything one destination commits at once: how far it is, and every row that changes with that.

    Positions in `settled` carry their outcome (state, reason). `late` are events settled after they had a row.
    """

    destination: str
    pos: int = 0
    ahead: frozenset[int] = frozenset()
    settled: dict[int, tuple[str, str]] = field(default_factory=dict)
    late: list[Late] = field(default_factory=list)
    park: dict[int, ParkedRow] = field(default_factory=dict)
    repark: dict[int, ParkedRow] = field(default_factory=dict)
    unpark: list[int] = field(default_factory=list)
    moves: list[tuple[str, str, str]] = field(default_factory=list)  # from key, to key, linked userId
    given: list[tuple[str, str]] = field(default_factory=list)  # user key, group as JSON: on all it holds
    lanes: dict[str, LaneRow | None] = field(default_factory=dict)  # None: the lane goes
    opened: dict[str, str] = field(default_factory=dict)  # needs that are met from now on: last lane done ("" = none)
    dead: list[DeadRow] = field(default_factory=list)
    attempts: list[AttemptRow] = field(default_factory=list)
    supplies: dict[int, SupplyRow | None] = field(default_factory=dict)
    state: dict[str, bytes | None] = field(default_factory=dict)
    timers: dict[str, tuple[int, str] | None] = field(default_factory=dict)  # key: (due, user key)
    ledger: dict[str, int] = field(default_factory=dict)
    status: Status | None = None
    at: int = 0

    def count(self, name: str, n: int = 1) -> None:
        """Add to one of the ledger's counters."""
        self.ledger[name] = self.ledger.get(name, 0) + n


class Known(msgspec.Struct):
    """What the directory knows of the keys it was asked for."""

    people: dict[str, Mapping[str, Any]] = {}
    companies: dict[str, Company] = {}
    memberships: dict[str, list[Membership]] = {}
    links: dict[str, list[tuple[int, str]]] = {}  # anonymous key: (pos, user key), ascending


class Loaded(msgspec.Struct):
    """Blocked lanes and keyed state of a set of keys."""

    lanes: dict[str, LaneRow] = {}
    state: dict[str, bytes] = {}  #: as JSON


class Store(Protocol):
    """The verbs. `StoreError` (full, busy, closed) from any of them means: not done."""

    @property
    def head(self) -> int:
        """Position of the newest readable event."""
        ...

    def watch(self, wake: Callable[[], None]) -> None:
        """Call `wake` whenever the head has moved. It carries no data: losing one costs time, not events."""
        ...

    def unwatch(self, wake: Callable[[], None]) -> None:
        """Stop calling `wake`."""
        ...

    async def append(
        self, calls: Sequence[Call], facts: Sequence[Facts | None], discards: Sequence[Discard]
    ) -> list[int]:
        """Store events. Returns their positions in the same order, 0 for a duplicate."""
        ...

    async def commit(self, step: Step) -> list[tuple[str, str]]:
        """Store one step of a destination, all or nothing. Raises StepFailed if its own rows are at fault.

        Returns what `opened` left to do: needs with the last lane done, to be named in a later step.
        """
        ...

    async def read(self, after: int, limit: int, max_bytes: int) -> list[LogRow]:
        """Events above a position, ascending; at least one if there is any; and whether there may be more."""
        ...

    async def cursor(self, destination: str, now_ms: int) -> CursorRow:
        """A destination's cursor; created at the head of the log where there is none."""
        ...

    async def known(self, user_keys: Sequence[str], group_ids: Sequence[str]) -> Known:
        """The directory's entries of these users, and of these groups and the users' own groups."""
        ...

    async def load(self, destination: str, user_keys: Sequence[str], state_keys: Sequence[str]) -> Loaded:
        """Lane rows and keyed state."""
        ...

    async def parked(
        self, destination: str, wants: Sequence[tuple[str, str, int]], limit: int
    ) -> list[tuple[list[ParkedRow], bool]]:
        """For each (user key, queue, place): the rows of that queue behind that place, in order, at most `limit` and about
        1 MB, at least one if there is any; and whether there may be more."""
        ...

    async def due(self, destination: str, now_ms: int, limit: int) -> list[LaneRow]:
        """Lanes whose time has come, longest due first."""
        ...

    async def held_since(self, destination: str, before_ms: int, limit: int) -> list[str]:
        """User keys of lanes that hold something since before an instant, longest first."""
        ...

    async def due_timers(self, destination: str, now_ms: int, limit: int) -> list[tuple[str, int, str]]:
        """Timers whose time has come: (state key, due, user key)."""
        ...

    async def next_due(self, destination: str, after_ms: int) -> int | None:
        """When the next lane or timer is due, later than this."""
        ...

    async def has_lanes(self, destination: str) -> bool:
        """Whether any lane has a row."""
        ...

    async def supplies(self, destination: str) -> list[SupplyRow]:
        """The group calls that do not supply here."""
        ...

    async def last_place(self, destination: str) -> int:
        """The highest place given to what a timer returned."""
        ...

    async def openings(self, destination: str) -> list[tuple[str, str]]:
        """Needs whose lanes were being opened when the last process ended."""
        ...
