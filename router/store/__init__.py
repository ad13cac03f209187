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

PLACES = 1 << 24
"""An event's place in its queue is pos * PLACES; what a timer returns or a replay feeds gets a place between two events."""

HELD, MAIN = "held", "main"
"""The two queues of a lane."""

EVERY = "*"
"""Stands for all that lanes may wait for."""

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
    former: str | None = None  #: the user that an alias says this one was, whose group it takes over if it has none


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
    origin: int = 0  #: the settled event this is a second sending of (`pos` is below 0 then); 0: it is itself


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

    @property
    def size(self) -> int:
        """What it takes of `dead.max_bytes`."""
        return len(self.body) + len(self.items or b"") + len(self.detail)


class Letters(msgspec.Struct, frozen=True):
    """Which dead letters: by reason, and by when they died (ms; from `since` on, before `until`)."""

    reason: str | None = None
    since: int = 0
    until: int = 1 << 62


class ReplayRow(msgspec.Struct):
    """A job that feeds dead letters, or a span of the log, to the lanes again; the newest one of its destination."""

    kind: str  #: dead | span
    letters: Letters
    first: int  #: it began behind this position
    last: int  #: and ends with this one
    pos: int  #: how far it is
    total: int  #: events it was going to feed, as counted at its start
    fed: int
    state: str  #: running | done | stopped
    started_at: int
    ended_at: int = 0
    groups_first: bool = False  #: the group calls of the span go before the rest: this is their round


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
    also: str = ""  #: what else its held queue waits for, beside `need`


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
    """A group call that does not supply at a destination; `missing`: "id" and traits nobody has supplied since. One that may
    still be tried keeps its row where nothing is missing any more, so that its next failure takes nothing back."""

    pos: int
    user_key: str
    group_id: str
    missing: list[str]
    is_dead: bool = False  #: it is not tried any more; not stored: it has no parked row then


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
    parked_bytes: int = 0  #: bodies of parked events
    letters: int = 0  #: dead letters that are kept, and their bytes
    letter_bytes: int = 0
    abandoned: int = 0  #: events that were trimmed before this destination, removed for a while, had settled them


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
    undead: set[int] = field(default_factory=set)  # dead letters that go: replayed, dropped, too old
    attempts: list[AttemptRow] = field(default_factory=list)
    supplies: dict[int, SupplyRow | None] = field(default_factory=dict)
    state: dict[str, bytes | None] = field(default_factory=dict)
    timers: dict[str, tuple[int, str] | None] = field(default_factory=dict)  # key: (due, user key)
    ledger: dict[str, int] = field(default_factory=dict)
    status: Status | None = None
    replay: ReplayRow | None = None
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


class Waits(msgspec.Struct, frozen=True):
    """The held events of one reason (`group_unknown`, `group_name_unknown`, ...)."""

    reason: str
    events: int
    users: int
    since: int  #: ms since 1970: when the longest held of them was


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

    async def cursor(self, destination: str, now_ms: int, mode: str = "live") -> CursorRow:
        """A destination's cursor; created at the head of the log where there is none. Where it was in dry-run and is live
        now, keyed state and timers of the dry run go."""
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

    async def due(self, destination: str, now_ms: int, limit: int) -> list[str]:
        """User keys of lanes whose time has come, longest due first."""
        ...

    async def held_since(self, destination: str, before_ms: int, limit: int) -> list[str]:
        """User keys of lanes that hold something since before an instant, longest first."""
        ...

    async def waiting(self, destination: str) -> list[Waits]:
        """The held events by what they wait for. Reads every lane that holds something."""
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

    async def without_lane(
        self, destination: str, after: str, limit: int
    ) -> tuple[dict[str, tuple[int, int, int]], str | None]:
        """Of the next `limit` users with parked rows those without a lane: how many rows are held and how many are not, and
        since when one is held; and the last user looked at, None for the last of all."""
        ...

    async def supplies(self, destination: str) -> list[SupplyRow]:
        """The group calls that do not supply here."""
        ...

    async def last_place(self, destination: str) -> int:
        """The highest place that was given to what a timer returned or a replay feeds, of rows and letters that are left."""
        ...

    async def letters(self, destination: str, which: Letters, after: int, limit: int) -> list[DeadRow]:
        """Dead letters behind a position, ascending; at most `limit` and about 1 MB, at least one if there is any."""
        ...

    async def count_letters(self, destination: str, which: Letters) -> int:
        """How many dead letters there are of this kind."""
        ...

    async def oldest_letters(self, destination: str, limit: int) -> list[tuple[int, int, int]]:
        """The dead letters that died first: (position, when, bytes)."""
        ...

    async def span(self, since_ms: int, until_ms: int) -> tuple[int, int]:
        """The retained events accepted in this time: (behind this position, up to this one)."""
        ...

    async def settled_rows(
        self, destination: str, after: int, last: int, types: Sequence[str], limit: int
    ) -> tuple[list[LogRow], dict[int, DeadRow], frozenset[int], int]:
        """Retained events of these types in a span that have no parked row, the dead letters among them, the positions that
        were settled late or sent again before, and how far the log was looked through."""
        ...

    async def replay(self, destination: str) -> ReplayRow | None:
        """The newest replay of a destination."""
        ...

    async def rejudge(self, destination: str, gate: str) -> None:
        """Say what the destination's gate asks from now on. Where that is not what it asked before, every lane that waits is
        to be opened: `openings` then names EVERY."""
        ...

    async def openings(self, destination: str) -> list[tuple[str, str]]:
        """Needs whose lanes were being opened when the last process ended."""
        ...
