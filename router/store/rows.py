"""The records a store takes and gives, one field a line. Positions count accepted events from 1; instants and spans are in
milliseconds, instants since 1970. A user key is "u:<userId>", "a:<anonymousId>" or "g:<groupId>"."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, NamedTuple

import msgspec

from router.plugin import Event, Item
from router.spread import Spread
from router.store.shards import WHOLE, Floor, Share
from router.vocabulary import FOREVER_MS

PART = 0
"""The one partition of a store that runs in one process."""

ORDER_KEY_STEP = 1 << 24
"""An event's place in its queue is pos * ORDER_KEY_STEP; what a timer returns or a replay feeds gets a place between two events."""

EVERY = "*"
"""Stands for all that lanes may wait for."""


SYNC_BOUNDS_S = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
GROUP_BOUNDS = (1, 2, 5, 10, 25, 50, 100, 250, 500, 1000, 2500)

MINUTE_S, HOUR_S = 60, 3600
COUNTED_SPANS = {MINUTE_S: 48 * HOUR_S, HOUR_S: 90 * 24 * HOUR_S}
"""Lengths of the buckets in which counts are kept, and for how long (seconds)."""


class Unit(NamedTuple):
    """What has one owner at a time: a destination, or one of the shards it is split into."""

    part: int
    destination: str
    shard: int = 0


class Opening(msgspec.Struct, frozen=True):
    """How a destination is configured when it is opened."""

    now_ms: int
    mode: str = "live"  #: live or dry-run
    is_enabled: bool = True
    gate: str = ""  #: what its gate asks; where that has changed, every lane that waits is asked again
    timeout_s: float = (
        0.0  #: the longest that a request of it takes: so much longer it is owned after the last sign of life
    )
    shards: int = 1  #: into which it is split


class DirectoryUpdate(msgspec.Struct):
    """What an identify, group or alias call tells the directory. Keys are user keys."""

    user_key: str
    user_traits: dict[str, Any] | None = None
    group_id: str | None = None
    group_traits: dict[str, Any] = {}
    joins: bool = False  #: a group call that names a user: they are a member from here on
    link: tuple[str, str] | None = None  #: (key that becomes known, key of the user it belongs to)
    follows_consent: bool = False  #: who becomes known takes over the preferences of that key
    preferences: dict[str, bool] | None = None  #: consent by category, where it is followed
    preferences_of: tuple[str, ...] = ()  #: whose it is
    former: str | None = None  #: the user that an alias says this one was, whose group it takes over if it has none


class LogRow(msgspec.Struct):
    """An accepted event as the log keeps it. All destinations that keep up share one object; what is made of the body when
    it is first asked for is kept beside it."""

    pos: int
    received_at: int  #: ms
    source: str
    type: str
    user_key: str  #: of its userId, else of its anonymousId, else of its groupId
    message_id: str
    body: bytes  #: a header line and the call as JSON
    opened: Event | None = None  #: the event as any destination sees it; nobody changes it
    payload_item: Item | None = None  #: its payload as an item; nobody changes it
    fields: bytes | None = None  #: its ids as a part of a line of the log
    is_shared: bool = False  #: it is one of the newest: what is made of its body is kept here for all destinations
    is_for_all: bool | None = (
        None  #: neither its plan nor its `integrations` keep it from any destination; None: not known yet
    )


class ParkedRow(msgspec.Struct):
    """An event that stands behind a blocked lane, with the event itself."""

    pos: int  #: below 0 for what a timer returned and for a second sending
    user_key: str
    queue: str  #: vocabulary.Queue
    place: int  #: its order in that queue: pos * ORDER_KEY_STEP, or between two of these
    state: str  #: vocabulary.EventState: held, retrying or queued
    reason: str  #: why it waits
    parked_at: int  #: ms
    received_at: int  #: ms
    source: str
    type: str
    message_id: str
    linked: str  #: userId of the link that moved it here
    given: str  #: JSON: the group an operator released it with
    body: bytes
    items: bytes | None  #: JSON: what is left to send, once it is mapped
    made_by: str  #: plugin and item version that mapped it
    attempts: int  #: failed ones
    first_at: int  #: ms of running time: the first attempt
    origin: int = 0  #: the settled event this is a second sending of (`pos` is below 0 then); 0: it is itself
    fields: ClassVar[None] = (
        None  #: what is made of it is not shared as that of a LogRow: it may belong to another user by now
    )
    opened: ClassVar[None] = None
    payload_item: ClassVar[None] = None
    is_for_all: ClassVar[None] = None


class Slice(NamedTuple):
    """How much of parked rows is read in one go. One row of a queue is read however large it is."""

    rows: int  #: of a queue
    bytes: int = 100_000  #: of a queue: bodies and items
    bytes_in_all: int = 1_000_000  #: of all queues: where they are reached, the rest of these is not read


class DeadRow(msgspec.Struct):
    """A dead letter, with the event itself."""

    pos: int
    at: int  #: ms: when it died
    user_key: str
    reason: str
    detail: str  #: the vendor's words, or the traceback
    received_at: int  #: ms
    source: str
    type: str
    message_id: str
    linked: str  #: userId of the link that moved it
    body: bytes
    items: bytes | None  #: JSON: what was not sent
    made_by: str  #: plugin and item version that mapped it
    attempts: int
    again: bool = False  #: of a second sending: the ledger's seven do not count it as dead

    @property
    def size(self) -> int:
        """What it takes of `dead.max_bytes`."""
        return len(self.body) + len(self.items or b"") + len(self.detail)


class DeadLetterFilter(msgspec.Struct, frozen=True):
    """Which dead letters."""

    reason: str | None = None  #: None: whatever it is
    since: int = 0  #: ms: died then or later
    until: int = 1 << 62  #: ms: died before


class EventQuery(msgspec.Struct, frozen=True):
    """Which events of the log. None: whatever it is."""

    user_key: str | None = None  #: and the anonymous keys that the directory has joined to it
    group_id: str | None = None  #: the call's own, or that of its user at the time
    type: str | None = None
    name: str | None = None  #: of a track call its event
    source: str | None = None
    state: str | None = None
    destination: str | None = None  #: where it has this state or reason; None: anywhere
    reason: str | None = None  #: of its state at that destination
    since: int = 0  #: ms: accepted then or later
    after: int = 0  #: behind this position
    at: tuple[int, ...] = ()  #: at one of these positions; (): anywhere
    every: int = 1  #: about one in so many, always the same ones. 0: none, they are counted only
    known: frozenset[int] = frozenset()  #: of an event at one of these positions nothing but the position is told

    @property
    def asks_states(self) -> bool:
        """Whether the states of an event must be looked up to say if it is of this kind."""
        return self.state is not None or self.reason is not None


class EventAsk(NamedTuple):
    """A search for events."""

    which: EventQuery
    before: int | None  #: in front of this position; None: the newest ones
    limit: int


class ReplayRow(msgspec.Struct):
    """A job that feeds dead letters, or a span of the log, to the lanes again; the newest one of its destination."""

    kind: str  #: dead | span
    letters: DeadLetterFilter
    first: int  #: it began behind this position
    last: int  #: and ends with this one
    pos: int  #: how far it is
    total: int  #: events it was going to feed, as counted at its start
    fed: int  #: events by now
    state: str  #: running | done | stopped
    started_at: int  #: ms
    ended_at: int = 0  #: ms; 0: it runs
    groups_pos: int = FOREVER_MS  #: how far the round of group calls is, which goes before the rest
    filtered: bool = False  #: of a span it feeds only what was filtered
    from_place: int = FOREVER_MS  #: what it feeds has places from here on
    upto_place: int = 0  #: up to here
    by_hand: list[int] = []  #: but for these: events that were fed one by one meanwhile
    became: dict[str, int] = {}  #: how many of its events are in each state


class CommandRow(NamedTuple):
    """What was asked of a destination, and how far it is."""

    id: int
    destination: str
    state: str  #: asked | taken | done | refused | withdrawn
    answer: bytes  #: as JSON


class AskedCommand(NamedTuple):
    """A command that a process has taken to carry out."""

    id: int
    destination: str  #: empty: it is to this node
    text: bytes  #: what was asked, as JSON
    epoch: int  #: of the owner
    reached: bytes  #: what former owners have stored of it, as JSON; empty for nothing
    tries: int  #: how often it was taken
    shard: int = 0  #: of the destination


class LaneRow(msgspec.Struct):
    """The image of a blocked lane."""

    user_key: str
    mode: str  #: vocabulary.LaneMode
    need: str  #: what its held queue waits for; empty: ask the gate again
    reason: str
    group_id: str  #: the group of which it waits for a trait
    due_at: int | None  #: ms; None: not before its need is met
    attempts: int  #: failed ones of its first event
    held: int  #: rows in its held queue
    main: int  #: rows in its main queue
    held_since: int  #: ms; 0: nothing is held
    first_held: int  #: place of the held event that it waits for
    also: str = ""  #: what else its held queue waits for, beside `need`
    refused_pos: int = 0  #: the group call that was refused here, where that is why it waits


class Miscounted(NamedTuple):
    """A user whose lane does not say how many parked rows there are."""

    held: int  #: rows in the held queue beyond what the lane says; below 0: so many are missing
    main: int  #: the same of the main queue
    held_since: int  #: ms: when the first row of the held queue was parked; 0: there is none
    has_lane: bool


class LedgerCounts(NamedTuple):
    """What a destination has counted, beside what its rows say, as of one instant."""

    head: int
    start: int
    pos: int
    ahead: bytes  #: packed
    delivered: int
    skipped: int
    filtered: int
    held: int
    retrying: int
    dead: int
    letters: int
    held_rows: int  #: without second sendings, like the two below
    retrying_rows: int
    queued_rows: int
    letter_rows: int


class Tried(NamedTuple):
    """The attempt that delivered an event, where it has no row of its own: it is packed into what tells of the outcome."""

    at: int  #: ms: when its answer came
    duration_ms: int
    status: int | None  #: of HTTP; None: its plugin sends none


class AttemptRow(msgspec.Struct):
    """One try to send an event, where it failed, followed a failure, or was a dry run."""

    pos: int
    at: int  #: ms
    duration_ms: int
    status: int | None  #: of HTTP; None: there was no answer
    error: str
    reason: str
    request: str = ""  #: of a dry run: what would be sent, as JSON


class GroupCallRow(msgspec.Struct, gc=False):
    """A group call that does not count as settled at a destination. One that may still be tried keeps its row where nothing is missing
    any more, so that its next failure takes nothing back."""

    pos: int
    user_key: str
    group_id: str
    missing: tuple[str, ...]  #: "id" and the traits that nobody has told since
    is_dead: bool = False  #: it is not tried any more; not stored: it has no parked row then


class Status(msgspec.Struct, frozen=True):
    """Whether a destination runs."""

    state: str = "running"  #: vocabulary.DestinationState
    reason: str = ""
    since: int = 0  #: ms
    until: int = 0  #: ms: when it tries again by itself; 0: never
    detail: str = ""
    stopped_ms: int = 0  #: how long it stood still in all, before this state


class CursorRow(msgspec.Struct):
    """How far a destination has settled."""

    start: int  #: events at or below it were accepted before it began
    pos: int  #: every event at or below it is settled or has a row
    ahead: set[int]  #: positions above of which the same is true
    held: int  #: events
    retrying: int  #: events
    status: Status
    added: bool  #: True where this call created it
    parked_bytes: int = 0  #: bodies of parked events
    letters: int = 0  #: dead letters that are kept
    letter_bytes: int = 0  #: what they take
    disabled: tuple[tuple[int, int], ...] = ()  #: times in which it was disabled (ms, from and to), ascending
    abandoned: int = 0  #: events that were trimmed before this destination, removed for a while, had settled them
    beyond: int = 0  #: so many positions it stood beyond the head of the log, where it is now
    taken_from: str = ""  #: the node that had it and gave no sign of life any more
    share: Share = WHOLE  #: of the destination's events
    shards_before: int = 0  #: it took the place of so many; 0: there were as many before
    floors: tuple[Floor, ...] = ()  #: what shards that were there before had settled beyond its cursor


IsRefused = Callable[[int], bool]
"""Whether the group call at a position was refused at a destination. Threads that look the directory up ask it, too."""


def none_refused(call_pos: int) -> bool:
    """Every group call counts."""
    return False


NO_GROUP = ""
"""Stands for a group that was forgotten: from there on it is not known where the user belongs."""


class Membership(msgspec.Struct, frozen=True):
    """From `pos` on, the user belongs to this group (or `NO_GROUP`); the group call at `call_pos` said so."""

    pos: int
    group_id: str
    call_pos: int

    def counts(self, is_refused: IsRefused) -> bool:
        """Its call is not refused, and its group is not forgotten."""
        return self.group_id != NO_GROUP and not is_refused(self.call_pos)


MOST_REFUSED = 100
"""Memberships in a row that do not count and are passed by; behind them only the user's newest group may count."""


class GroupProfile(msgspec.Struct, frozen=True):
    """A group: merged traits, and since which position each trait is known."""

    traits: Mapping[str, Any]
    since: Mapping[str, int]


class ParkedOutcome(msgspec.Struct):
    """The outcome of an event that had a row until now."""

    pos: int
    source: str
    message_id: str
    state: str
    reason: str
    tried: Tried | None = None  #: how it was delivered


class DirectorySnapshot(msgspec.Struct):
    """What the directory knows of the keys and positions it was asked for. Lists are ascending and hold only what was asked."""

    people: dict[str, Mapping[str, Any]] = {}
    companies: dict[str, GroupProfile] = {}
    memberships: dict[str, list[Membership]] = {}
    links: dict[str, list[tuple[int, str]]] = {}  # anonymous key: (pos, user key)


class Waits(msgspec.Struct, frozen=True):
    """The held events of one reason (`group_unknown`, `group_name_unknown`, ...)."""

    reason: str
    events: int
    users: int
    since: int  #: ms since 1970: when the longest held of them was


class Written(msgspec.Struct):
    """What was written since the start."""

    n: int = 0  #: transactions
    events: int = 0
    bytes: int = 0  #: of the calls as they were received
    seconds: float = 0.0  #: from the hand-over to the writing thread until it is durable
    sync: Spread = msgspec.field(default_factory=lambda: Spread(SYNC_BOUNDS_S))  #: how long it took to make one durable
    group: Spread = msgspec.field(default_factory=lambda: Spread(GROUP_BOUNDS))  #: events in one that has any


class Upkeep(NamedTuple):
    """What ruins a database slowly. Each is 0 where there is none."""

    snapshot_s: float  #: age of the oldest snapshot that anybody keeps
    slot_bytes: int  #: of the write-ahead log that the slowest replication slot keeps
    dead_rows: int  #: of the table that has most, of those that are updated all the time


class Pending(NamedTuple):
    """What waits to be written."""

    events: int
    bytes: int
