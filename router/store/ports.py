"""What the router asks of a store, by who asks. No SQL, connection or transaction crosses this line.

`append` and `commit` are the only writes of the flow. Both are durable when they return; everything in one CommitBatch is stored or
nothing of it. Every read may lag behind what is being committed, and each is one consistent snapshot. A StoreError from any of
these means: not done.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any, Protocol

from router.counts import Counted, Counts
from router.errors import StoreError
from router.event import Call, Discard
from router.store.commit_batch import CommitBatch
from router.store.regulation import Demand, Regulation, Tool
from router.store.rows import (
    AskedCommand,
    CommandRow,
    CursorRow,
    DeadLetterFilter,
    DeadRow,
    DirectorySnapshot,
    DirectoryUpdate,
    EventQuery,
    GroupCallRow,
    LaneRow,
    LogRow,
    Miscounted,
    Opening,
    ParkedRow,
    Pending,
    ReplayRow,
    Slice,
    Status,
    Unit,
    Waits,
    Written,
)
from router.store.suppressions import Suppressions
from router.vocabulary import Problem

OnStored = Callable[[list[int] | StoreError], None]
"""Told of an append once it is durable: its positions; or why nothing of it was stored."""


class EventLog(Protocol):
    """The accepted events in order, shared by all."""

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
        self, calls: Sequence[Call], facts: Sequence[DirectoryUpdate | None], discards: Sequence[Discard]
    ) -> list[int]:
        """Store events. Returns their positions in the same order, 0 for a duplicate."""
        ...

    def append_soon(
        self,
        calls: Sequence[Call],
        facts: Sequence[DirectoryUpdate | None],
        discards: Sequence[Discard],
        on_done: OnStored,
    ) -> None:
        """Store events, and call `on_done` in the event loop once that is durable or has failed; never from within this call.
        Raises StoreError when nothing is taken now; `on_done` is not called then."""
        ...

    async def read(self, after: int, limit: int, max_bytes: int) -> list[LogRow]:
        """Events above a position, ascending, up to a count and about this many bytes; at least one if there is any."""
        ...

    async def span(self, since_ms: int, until_ms: int) -> tuple[int, int]:
        """The retained events accepted in this time: (behind this position, up to this one)."""
        ...


class Directory(Protocol):
    """Who belongs to which group, as of a position."""

    async def known(
        self, asks: Sequence[tuple[str, int]], group_ids: Sequence[str], refused: Collection[int] = ()
    ) -> DirectorySnapshot:
        """What the directory says of each (user key, position): the membership as of the position, the one as of the position
        before, and the first one after it whose call is not among `refused`; for an anonymous key also the link as of the
        position and the first one after it, with the users they lead to, looked up in the same way. And the traits of these
        users, of the groups found, and of `group_ids`. The cost does not depend on how many groups or links a user has."""
        ...

    async def denied(self, asks: Sequence[tuple[str, int]]) -> dict[tuple[str, int], frozenset[str]]:
        """For each (user key, position) the categories of consent that the user denies by now, if the newest of these denials stands
        behind the position. Empty where consent is not followed."""
        ...

    async def withdrawals(self, after: int, upto: int, limit: int) -> list[tuple[int, str]]:
        """Users whose newest denial of a category stands behind a position and up to another one: (position, user key)."""
        ...


class Lanes(Protocol):
    """The blocked users of a destination, and their parked events."""

    async def load(self, user_keys: Sequence[str]) -> dict[str, LaneRow]:
        """The rows of those of these users who have one."""
        ...

    async def has_any(self) -> bool:
        """Whether any lane has a row."""
        ...

    async def parked(self, wants: Sequence[tuple[str, str, int]], most: Slice) -> list[tuple[list[ParkedRow], bool]]:
        """For each (user key, queue, place): the rows of that queue behind that place, in order, at least one if there is any; and
        whether there may be more. Where the first ones take `most.bytes_in_all`, the others are left out."""
        ...

    async def due(self, mode: str, now_ms: int, limit: int) -> list[str]:
        """User keys of lanes of this mode whose time has come, longest due first."""
        ...

    async def next_due(self, mode: str, after_ms: int) -> int | None:
        """When the next lane of this mode is due, later than this."""
        ...

    async def held_since(self, before_ms: int, limit: int) -> list[str]:
        """User keys of lanes that hold something since before an instant, longest first."""
        ...

    async def openings(self) -> list[tuple[str, str]]:
        """Needs whose lanes were being opened when the last owner ended, each with the last lane done."""
        ...

    async def stuck(self, after: str, limit: int) -> list[str]:
        """User keys, behind this one, of lanes that wait for nothing and are never due."""
        ...

    async def miscounted(self, after: str, limit: int) -> tuple[dict[str, Miscounted], str | None]:
        """Of the next users with a lane or with parked rows, at most `limit`, those whose lane is missing or does not say how many rows
        there are; and the last user looked at, None for the last of all."""
        ...

    async def last_place(self) -> int:
        """The highest place that was given to what a timer returned or a replay feeds, of rows and letters that are left."""
        ...


class KeyedState(Protocol):
    """What plugins remember of a destination, and their timers."""

    async def load(self, state_keys: Sequence[str]) -> dict[str, bytes]:
        """The values of those of these keys that have one, as JSON."""
        ...

    async def due_timers(self, now_ms: int, limit: int) -> list[tuple[str, int, str]]:
        """Timers whose time has come: (state key, due, user key)."""
        ...

    async def next_timer(self, after_ms: int) -> int | None:
        """When the next timer is due, later than this."""
        ...


class DeadLetters(Protocol):
    """The dead letters of a destination."""

    async def page(self, which: DeadLetterFilter, after: int, limit: int) -> list[DeadRow]:
        """Letters behind a position, ascending; at most `limit` and about 1 MB, at least one if there is any."""
        ...

    async def count(self, which: DeadLetterFilter) -> int:
        """How many there are of this kind."""
        ...

    async def oldest(self, limit: int) -> list[tuple[int, int, int]]:
        """Those that died first: (position, when, bytes)."""
        ...


class Replays(Protocol):
    """Sending again what a destination is done with."""

    async def newest(self) -> ReplayRow | None:
        """The newest replay."""
        ...

    async def settled(
        self, after: int, last: int, types: Sequence[str], limit: int
    ) -> tuple[list[LogRow], dict[int, DeadRow], frozenset[int], int]:
        """Retained events of these types in a span that have no parked row, up to a count and about a megabyte, the dead letters among
        them, the positions that were settled late or sent again before, and how far the log was looked through."""
        ...

    async def tally(self, after: int, last: int) -> tuple[dict[str, int], int]:
        """How many retained events of a span without a parked row came to each state, "" for those from before the destination
        began; and how far it has counted. How many events it looks at is bounded."""
        ...

    async def filtered(self, positions: Sequence[int]) -> frozenset[int]:
        """Those of these settled events that were filtered."""
        ...

    async def teach(self, updates: Sequence[tuple[int, DirectoryUpdate]]) -> None:
        """Tell the directory what calls at these positions say, which it was not told when they were accepted: memberships and
        links as of the position, and traits that are not known yet. Durable on return."""
        ...


class Claim(Protocol):
    """The right of one owner to a unit, from its opening until somebody else opens it."""

    @property
    def unit(self) -> Unit:
        """What is owned."""
        ...

    @property
    def cursor(self) -> CursorRow:
        """How far it was when the claim was opened."""
        ...

    @property
    def lost(self) -> asyncio.Event:
        """Set once somebody else has it."""
        ...

    @property
    def epoch(self) -> int:
        """Counts the owners of the unit, this one included."""
        ...

    async def until_lost(self) -> None:
        """Return once somebody else has it."""
        ...

    async def until_asked_back(self) -> None:
        """Return once another node should have it: to be given back in good order."""
        ...

    def rest(self) -> None:
        """No worker serves it any more: others may have it after a while, unless it is opened again."""
        ...

    async def give_back(self, *, to_others: bool) -> None:
        """Nothing of it is on its way: whoever waits for it may have it at once. `to_others`: others before this process."""
        ...

    def may_send(self, for_s: float) -> bool:
        """Whether nobody else can have it before a request that begins now and takes this long has ended. Asked before each request:
        cheap. It may become true again, unless the claim is lost."""
        ...

    async def commit(self, batch: CommitBatch) -> list[tuple[str, str]]:
        """Store a batch, all or nothing. Returns what `opened` left to do: needs with the last lane done, to be named in a later
        batch. Raises CommitFailed if its own rows are at fault, ClaimLost if somebody else has the unit."""
        ...

    async def group_calls(self) -> list[GroupCallRow]:
        """The group calls that do not count as settled here."""
        ...

    async def miscounts(self) -> dict[str, int]:
        """By how much the counters of the ledger, by name, must change to agree with the rows; empty where they do. May take a second
        for a million rows, and holds no delivery up."""
        ...

    @property
    def directory(self) -> Directory: ...

    @property
    def lanes(self) -> Lanes: ...

    @property
    def keyed_state(self) -> KeyedState: ...

    @property
    def dead_letters(self) -> DeadLetters: ...

    @property
    def replays(self) -> Replays: ...


class Claims(Protocol):
    """Who owns which unit."""

    async def open(self, unit: Unit, opening: Opening) -> Claim:
        """Take a unit over from whoever had it, or wait until this process may have it. Its cursor is created at the head of the log where there is none. Where it was in
        dry-run and is live now, keyed state and timers of the dry run go."""
        ...

    async def open_now(self, unit: Unit, opening: Opening) -> Claim | None:
        """The same, without waiting for anybody. None: another node has it; its cursor is there from now on."""
        ...

    async def holder(self, unit: Unit) -> str:
        """Which node has it, as people call it; empty where nobody has."""
        ...

    def status(self, unit: Unit) -> Status | None:
        """How it is at another node, as of some seconds ago; None where nobody else uses the store."""
        ...

    def keep_for(self, destinations: Iterable[str]) -> None:
        """What these destinations have not read yet stays, however old it is."""
        ...

    def compare(self, configuration: Mapping[str, str]) -> None:
        """What is configured here, by subject as a hash: where another process has something else, `Health.problems` names it."""
        ...

    async def forget_preferences(self) -> None:
        """Drop the preferences of all users: consent is not followed any more."""
        ...

    async def forget(self, destination: str) -> dict[str, int]:
        """Drop all that is kept of a destination that is configured no more; returns what that was: held, retrying, queued, dead."""
        ...


class Health(Protocol):
    """Whether the store can do its work. Cheap enough to be asked for each event."""

    @property
    def broken(self) -> str:
        """Why nothing can be written any more; empty while it can. The daemon ends then."""
        ...

    @property
    def failed(self) -> asyncio.Event:
        """Set with `broken`."""
        ...

    @property
    def writing_s(self) -> float:
        """For how long the group has been written that is being written now; 0 while none is."""
        ...

    async def look_at_disk(self) -> None:
        """Ask the disk for its room, beside the event loop: the answers here are as of the last look."""
        ...

    def may_append(self) -> bool:
        """Whether the disk has room for events."""
        ...

    def may_grow(self) -> bool:
        """Whether rows may be added: held and retried events, dead letters. What frees room is stored at any time."""
        ...

    def problems(self) -> list[Problem]:
        """What is wrong now, gravest first; empty when all is well."""
        ...


class Queries(Protocol):
    """What operators ask. Answers have the shapes of the admin API."""

    async def ledger(self, destinations: Sequence[str]) -> dict[str, Any]:
        """Counts; per destination the seven add up to what was accepted since it began."""
        ...

    async def message(self, message_id: str, source: str | None, destinations: Sequence[str]) -> dict[str, Any] | None:
        """The fate of a message at each destination; None when unknown."""
        ...

    async def events(
        self, which: EventQuery, destinations: Sequence[str], before: int | None, limit: int
    ) -> dict[str, Any]:
        """The newest events of this kind in front of a position, with their states. How far it looks back is bounded."""
        ...

    async def position(self, message_id: str, source: str | None) -> int | None:
        """Where in the log the newest event with this message id stands or stood."""
        ...

    async def stored_call(self, message_id: str, source: str | None) -> Call | None:
        """The newest event with this message id, while its body is retained."""
        ...

    async def held(self, destination: str, user_key: str | None, after: str) -> dict[str, Any]:
        """Users whose events wait for a group, a page at a time."""
        ...

    async def waiting(self, destination: str) -> list[Waits]:
        """How much is held, by what it waits for."""
        ...

    async def dead(self, destination: str, which: DeadLetterFilter, after: int | None) -> dict[str, Any]:
        """Dead letters in order of position, a page at a time."""
        ...

    async def destinations(self) -> list[str]:
        """The names of all destinations that have a cursor."""
        ...

    async def left_over(self, configured: Sequence[str]) -> dict[str, dict[str, int]]:
        """Destinations that are configured no more, and what is kept of them: held, retrying, queued, dead letters."""
        ...


class Lookups(Protocol):
    """Who somebody is, where their events are, and what happened lately. Answers have the shapes of the admin API."""

    async def profile(self, user_key: str) -> dict[str, Any]:
        """What the directory knows of a person: `traits`, `joined_to`, `groups`, newest first."""
        ...

    async def lanes(self, user_keys: Sequence[str], destinations: Sequence[str]) -> dict[str, list[dict[str, Any]]]:
        """By destination the lanes of these users in which something is held, and what each waits for."""
        ...

    async def events_of(
        self, user_keys: Sequence[str], destinations: Sequence[str], before: int | None, limit: int
    ) -> dict[str, Any]:
        """The newest events of these users in front of a position, with their states. How far it looks back is bounded."""
        ...

    async def group(self, group_id: str, destinations: Sequence[str]) -> dict[str, Any] | None:
        """What the directory knows of a group, and what waits for a trait of it; None where it is unknown."""
        ...

    async def members(self, group_id: str, after: str, limit: int) -> dict[str, Any]:
        """Who belongs to a group now, a page at a time. How many memberships it looks at is bounded."""
        ...

    async def exact(self, word: str) -> dict[str, Any]:
        """What has exactly this id: `events`, `people`, `groups`, `discarded`; and `since`, the oldest event that is retained."""
        ...

    async def by_trait(self, word: str) -> dict[str, Any]:
        """People with this e-mail address, and groups of this name. How many it looks at is bounded."""
        ...

    async def recent(self, destinations: Sequence[str]) -> dict[str, Any]:
        """What happened lately at each destination, and what was discarded today."""
        ...

    async def newest_of_sources(self, most: int) -> list[tuple[str, int]]:
        """(source, instant in ms) of the newest events, oldest first."""
        ...


class InputReports(Protocol):
    """What operators ask of that which came in: what could not be used, what does not fit a plan, what looks personal."""

    async def discards(self, source: str | None, since_ms: int) -> dict[str, Any]:
        """Why calls that got a 200 are nowhere: counts by source and code, and the newest ones; `since`: when the counts begin.
        `since_ms` is 0 for all there ever were."""
        ...

    async def discards_by_day(self, source: str | None, since_ms: int) -> list[dict[str, Any]]:
        """The entries of `discards` that are kept, counted by day (UTC), source and code, the newest day first: `{"day", "source", "code",
        "entries"}` each."""
        ...

    async def clients(self, source: str, most: int) -> dict[str, Any]:
        """Which libraries sent the newest events of a source, among so many of all sources: `{"looked_at", "events", "last_at",
        "items": [{"library", "version", "count", "last_at"}], "left_out"}`."""
        ...

    async def violations(self, source: str | None, event: str | None, since_ms: int) -> dict[str, Any]:
        """What does not fit the tracking plans: kinds of violations met since an instant, the most frequent first."""
        ...

    async def personal_data(self, source: str | None, since_ms: int, before: int | None) -> dict[str, Any]:
        """What looks personal in the events in front of a position, as counts without any value: `found`, and `next`. How many
        events it looks at is bounded."""
        ...


class Counters(Protocol):
    """What was counted by minute (kept for 48 hours) and by hour (90 days), for plots. The ledger is what adds up for good."""

    def of_sources(self) -> Mapping[str, Counts]:
        """What was counted of each source since the start of the process. It grows while it is looked at."""
        ...

    async def add(self, at_ms: int, counted: Mapping[Counted, Counts]) -> None:
        """Add to the buckets of this instant, in one transaction, and let go of what is too old."""
        ...

    async def buckets(
        self, span_s: int, since_ms: int, kind: str | None = None, name: str | None = None
    ) -> list[tuple[int, Counted, Counts]]:
        """Buckets of this length (`COUNTED_SPANS`) that begin at or after an instant, oldest first: when, whose, what. None: of
        all kinds, or names."""
        ...

    async def samples(self, destinations: Sequence[str]) -> dict[str, dict[str, float]]:
        """By destination: `held_events`, `held_people`, and `oldest_s`, the age of the oldest event that is neither settled nor
        held."""
        ...


class Notices(Protocol):
    """What the notifier has told whoever listens, over a restart. One process at a time tells."""

    async def are_ours(self) -> bool:
        """Whether this process tells. Asked before each look."""
        ...

    async def give_back(self) -> None:
        """Another process may tell from now on."""
        ...

    async def read(self) -> bytes | None:
        """What was written last; None before."""
        ...

    async def write(self, text: bytes) -> None:
        """Durable on return. Raises StoreError where another process tells by now."""
        ...


class Commands(Protocol):
    """What operators ask of destinations, for whichever process has the destination."""

    async def ask(self, destination: str, text: bytes) -> int:
        """Record a command. Durable on return."""
        ...

    async def take(self, busy: Collection[int]) -> list[AskedCommand]:
        """Those of destinations that this process owns, but for these, which it carries out already. A command whose effect a commit has
        stored with its answer (`CommitBatch.answers`) is not among them."""
        ...

    async def close(self, asked: AskedCommand, state: str, answer: bytes) -> None:
        """It is `done` or `refused`, and this is the answer; unless a commit has said so, or another owner has taken it."""
        ...

    async def withdraw(self, command: int) -> bool:
        """Let nobody take it any more. False: somebody has."""
        ...

    async def find(self, command: int) -> CommandRow | None:
        """How far it is."""
        ...


class OutputReports(Protocol):
    """What operators ask of that which goes out: why events are dead or retrying, and what was decided lately."""

    async def failures(self, destination: str, most: int) -> list[dict[str, Any]]:
        """The newest dead letters, and of events that are retrying the last attempt, newest first: `{"state", "reason", "status", "words",
        "message_id", "at"}`."""
        ...

    async def dead_reasons(self, destination: str, most: int) -> list[dict[str, Any]]:
        """Dead letters by reason, of so many at most: `{"reason", "count", "first", "last"}`."""
        ...

    async def newest_calls(self, destination: str, most: int) -> list[tuple[Call, str, str]]:
        """The newest calls, each with its state and reason at a destination."""
        ...

    async def newest_replay(self, destination: str) -> ReplayRow | None:
        """The newest replay, as of the last commit."""
        ...


class Sizes(Protocol):
    """What the store takes, and what it has written since the start."""

    async def used_bytes(self) -> int:
        """What it takes, without room that it can use again. Raises StoreError where it cannot be read."""
        ...

    def left_bytes(self) -> int | None:
        """What it may still grow by before events are refused; None where only the database knows."""
        ...

    def free_bytes(self) -> int | None:
        """Free on its disk; None where only the database knows."""
        ...

    def wal_bytes(self) -> int:
        """Size of the write-ahead log."""
        ...

    def written(self) -> Written:
        """What was written since the start."""
        ...

    def pending(self) -> Pending:
        """What waits to be written."""
        ...


class People(Protocol):
    """Demands to forget or to suppress people."""

    @property
    def suppressions(self) -> Suppressions:
        """Whose calls are not accepted."""
        ...

    async def joined(self, user_keys: Sequence[str]) -> dict[str, list[str]]:
        """The anonymous keys that the directory has joined to each of these."""
        ...

    async def begin(self, demand: Demand) -> Regulation:
        """Record a demand. When this returns, the directory knows these people no more, nobody reads their events of before, and
        who is suppressed is refused."""
        ...

    async def begin_again(self) -> int:
        """Record the regulations that the store has lost, because an older copy of it was put back. Returns how many. To be called
        before anybody reads the store. Raises OSError."""
        ...

    async def find(self, regulation_id: str) -> Regulation | None:
        """The regulation of this id."""
        ...

    async def heed(self, regulation_id: str) -> Regulation:
        """The regulation of this id. From here on this process reads no events of its people or groups."""
        ...

    async def newest(self, limit: int) -> list[Regulation]:
        """The newest regulations, newest first."""
        ...

    async def copies(self, *, remove: bool = False) -> list[str]:
        """Files beside the store that hold a copy of it from before an upgrade or a restore. `remove`: delete them."""
        ...


class Erasure(Protocol):
    """Carrying out regulations. Every step is stored with the progress of its regulation, and can be repeated."""

    async def resume(self) -> list[Regulation]:
        """Those that this process is to carry out, oldest first. It reads the events of their people no more."""
        ...

    async def left_behind(self) -> list[Regulation]:
        """Those whose process has ended, oldest first: this one carries them out from now on. None where no other process uses the store."""
        ...

    async def until_left_behind(self) -> None:
        """Return when there may be some."""
        ...

    async def touches(self, destination: str, regulation: Regulation) -> bool:
        """Whether a destination has any row of these people."""
        ...

    async def erase_at(self, destination: str, regulation_id: str) -> None:
        """Erase the rows of these people at a destination, in slices. None of its workers may have anything of them in memory. Raises
        CommandRefused `elsewhere` where another process has it."""
        ...

    async def erase_on(self, regulation_id: str) -> Regulation:
        """Take the next step, or a slice of it. The first one, `Step.ROWS`, must be done at all destinations by then."""
        ...

    async def asked(self, destination: str, regulation_id: str) -> list[int]:
        """Where the deletions of a regulation stand that a destination was asked for, and that wait or failed."""
        ...

    async def deletions(self, destination: str, positions: Sequence[int]) -> dict[int, tuple[str, str]]:
        """(state, reason) of each of the deletions that a destination was asked for, by position."""
        ...

    async def drop_deletions(self, destination: str, positions: Sequence[int]) -> None:
        """Take back deletions that wait or failed. None of the destination's workers may have anything of them in memory."""
        ...

    async def note_tool(self, regulation_id: str, destination: str, tool: Tool) -> Regulation:
        """How far a destination is with what it was asked to delete."""
        ...


class Store(Protocol):
    """One opened store."""

    @property
    def repaired(self) -> str:
        """In what it contradicted itself when it was opened; empty: in nothing."""
        ...

    @property
    def log(self) -> EventLog: ...

    @property
    def claims(self) -> Claims: ...

    @property
    def directory(self) -> Directory:
        """For people who ask, beside the claims' own: a slow question of theirs holds no delivery up."""
        ...

    @property
    def health(self) -> Health: ...

    @property
    def queries(self) -> Queries: ...

    @property
    def input_reports(self) -> InputReports: ...

    @property
    def lookups(self) -> Lookups: ...

    @property
    def commands(self) -> Commands | None:
        """None: no other process uses the store, so whoever is asked carries it out."""
        ...

    @property
    def counters(self) -> Counters: ...

    @property
    def notices(self) -> Notices: ...

    @property
    def output_reports(self) -> OutputReports: ...

    @property
    def sizes(self) -> Sizes: ...

    @property
    def people(self) -> People: ...

    @property
    def erasure(self) -> Erasure: ...
