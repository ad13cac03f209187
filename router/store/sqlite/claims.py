"""Who owns a destination: taking it over from an owner of this process raises its epoch, and every commit compares epoch and step,
so that a worker that was replaced stores nothing any more. Another process cannot be an owner while the file is locked."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence

from router.errors import ClaimLost
from router.store.commit_batch import CommitBatch
from router.store.fence import Fence
from router.store.rows import (
    CursorRow,
    DeadLetterFilter,
    DeadRow,
    DirectorySnapshot,
    DirectoryUpdate,
    GroupCallRow,
    IsRefused,
    LaneRow,
    LogRow,
    Miscounted,
    Opening,
    ParkedRow,
    ReplayRow,
    Slice,
    Unit,
    none_refused,
)
from router.store.shard_states import ShardStates
from router.store.shards import WHOLE, Share
from router.store.sqlite import (
    cursors,
    dead_letter_reads,
    directory_reads,
    directory_writes,
    group_call_reads,
    keyed_state_reads,
    lane_reads,
    ledger_reads,
    preference_rows,
    replay_reads,
)
from router.store.sqlite.group_commit import Writer
from router.store.sqlite.reader import Reader


class SqliteClaims:
    """Implements `ports.Claims`. `slow`: reads whatever may take long, so that deliveries do not wait for it."""

    def __init__(self, writer: Writer, reader: Reader, slow: Reader) -> None:
        self._writer, self._reader, self._slow = writer, reader, slow
        self._had_owner: set[Unit] = set()

    async def open(self, unit: Unit, opening: Opening) -> SqliteClaim:
        """Take a unit over from whoever had it.

        The first owner of a unit since the file was opened has nobody to fence off, so that a start on a full disk writes
        nothing here and sends what is stored.
        """
        cursor, fence = await self._writer.run_alone(cursors.open_unit, unit, opening, unit in self._had_owner)
        self._had_owner.add(unit)
        return SqliteClaim(cursor, fence, self._writer, self._reader, self._slow)

    async def open_now(self, unit: Unit, opening: Opening) -> SqliteClaim:
        """Nobody else uses the file."""
        return await self.open(unit, opening)

    async def holder(self, unit: Unit) -> str:
        """This process, which is asked itself."""
        return ""

    async def shares(self, destination: str) -> list[Share]:
        """A destination is never split here."""
        return [WHOLE]

    def status(self, unit: Unit) -> None:
        """There is no other node."""

    def keep_for(self, destinations: Iterable[str]) -> None:
        """What these destinations have not read yet stays, however old it is."""
        self._writer.transaction.retention.destinations = frozenset(destinations)

    async def drop_preferences(self) -> None:
        """Drop the preferences of all users, in slices."""
        while await self._writer.run_alone(preference_rows.drop_slice):
            pass

    async def drop(self, destination: str) -> dict[str, int]:
        """Drop all that is kept of a destination, in slices; returns what that was."""
        kept = await self._writer.run_alone(cursors.begin_to_drop, destination)
        while await self._writer.run_alone(cursors.drop_slice, destination):
            pass
        return kept


class SqliteClaim:
    """Implements `ports.Claim`."""

    def __init__(self, cursor: CursorRow, fence: Fence, writer: Writer, reader: Reader, slow: Reader) -> None:
        self.unit, self.epoch, self.cursor = fence.unit, fence.epoch, cursor
        self.lost, self.others = asyncio.Event(), ShardStates().beside(fence.unit)
        name = fence.unit.destination
        self.directory = SqliteDirectory(reader)
        self.lanes = SqliteLanes(name, reader)
        self.keyed_state = SqliteKeyedState(name, reader)
        self.dead_letters = SqliteDeadLetters(name, reader, slow)
        self.replays = SqliteReplays(name, reader, writer)
        self._fence, self._writer, self._reader, self._slow = fence, writer, reader, slow
        self._one_at_a_time = asyncio.Lock()

    async def until_lost(self) -> None:
        """Return once it is replaced."""
        await self.lost.wait()

    async def until_asked_back(self) -> None:
        """There is no other node."""
        await asyncio.Event().wait()

    def rest(self) -> None:
        """There is nobody else to have it."""

    async def give_back(self, *, to_others: bool) -> None:
        """There is nobody to have it."""

    def may_send(self, for_s: float) -> bool:
        """The file has one process, so nobody else can have it while this is not replaced."""
        return not self.lost.is_set()

    async def commit(self, batch: CommitBatch) -> list[tuple[str, str]]:
        """Store a batch, all or nothing. Raises CommitFailed, ClaimLost."""
        async with self._one_at_a_time:
            try:
                return await self._writer.commit(batch, self._fence)
            except ClaimLost:
                self.lost.set()
                raise

    async def group_calls(self) -> list[GroupCallRow]:
        """The group calls that do not count as settled here."""
        return await self._reader.run(group_call_reads.group_calls, self.unit.destination)

    async def miscounts(self) -> dict[str, int]:
        """By how much the counters of the ledger must change to agree with the rows."""
        return await self._slow.run(ledger_reads.miscounts, self.unit.destination)


class SqliteDirectory:
    """Implements `ports.Directory`."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    async def known(
        self, asks: Sequence[tuple[str, int]], group_ids: Sequence[str], is_refused: IsRefused = none_refused
    ) -> DirectorySnapshot:
        """What the directory says of each (user key, position)."""
        return await self._reader.run(directory_reads.known, asks, group_ids, is_refused)

    async def denied(self, asks: Sequence[tuple[str, int]]) -> dict[tuple[str, int], frozenset[str]]:
        """For each (user key, position) the categories of consent that the user denies by now, if denied behind the position."""
        return await self._reader.run(preference_rows.denied, asks)

    async def withdrawals(self, after: int, upto: int, limit: int) -> list[tuple[int, str]]:
        """Users whose newest denial of a category stands in a span of the log."""
        return await self._reader.run(preference_rows.withdrawals, after, upto, limit)


class SqliteLanes:
    """Implements `ports.Lanes`."""

    def __init__(self, destination: str, reader: Reader) -> None:
        self._name, self._reader = destination, reader

    async def load(self, user_keys: Sequence[str]) -> dict[str, LaneRow]:
        """The rows of those of these users who have one."""
        return await self._reader.run(lane_reads.load, self._name, user_keys)

    async def has_any(self) -> bool:
        """Whether any lane has a row."""
        return await self._reader.run(lane_reads.has_any, self._name)

    async def parked(self, wants: Sequence[tuple[str, str, int]], most: Slice) -> list[tuple[list[ParkedRow], bool]]:
        """For the first of these (user key, queue, place): rows behind that place, and whether there may be more."""
        return await self._reader.run(lane_reads.parked, self._name, wants, most)

    async def due(self, mode: str, now_ms: int, limit: int) -> list[str]:
        """User keys of lanes of this mode whose time has come, longest due first."""
        return await self._reader.run(lane_reads.due, self._name, mode, now_ms, limit)

    async def next_due(self, mode: str, after_ms: int) -> int | None:
        """When the next lane of this mode is due, later than this."""
        return await self._reader.run(lane_reads.next_due, self._name, mode, after_ms)

    async def held_since(self, before_ms: int, limit: int) -> list[str]:
        """User keys of lanes that hold something since before an instant, longest first."""
        return await self._reader.run(lane_reads.held_since, self._name, before_ms, limit)

    async def openings(self) -> list[tuple[str, str]]:
        """Needs whose lanes were being opened when the last owner ended, each with the last lane done."""
        return await self._reader.run(lane_reads.openings, self._name)

    async def stuck(self, after: str, limit: int) -> list[str]:
        """User keys, behind this one, of lanes that wait for nothing and are never due."""
        return await self._reader.run(lane_reads.stuck, self._name, after, limit)

    async def miscounted(self, after: str, limit: int) -> tuple[dict[str, Miscounted], str | None]:
        """Of the next users with parked rows those without a lane."""
        return await self._reader.run(lane_reads.miscounted, self._name, after, limit)

    async def last_place(self) -> int:
        """The highest place between two events that was given out."""
        return await self._reader.run(lane_reads.last_place, self._name)


class SqliteKeyedState:
    """Implements `ports.KeyedState`."""

    def __init__(self, destination: str, reader: Reader) -> None:
        self._name, self._reader = destination, reader

    async def load(self, state_keys: Sequence[str]) -> dict[str, bytes]:
        """The values of those of these keys that have one, as JSON."""
        return await self._reader.run(keyed_state_reads.load, self._name, state_keys)

    async def due_timers(self, now_ms: int, limit: int) -> list[tuple[str, int, str]]:
        """Timers whose time has come: (state key, due, user key)."""
        return await self._reader.run(keyed_state_reads.due_timers, self._name, now_ms, limit)

    async def next_timer(self, after_ms: int) -> int | None:
        """When the next timer is due, later than this."""
        return await self._reader.run(keyed_state_reads.next_timer, self._name, after_ms)


class SqliteDeadLetters:
    """Implements `ports.DeadLetters`."""

    def __init__(self, destination: str, reader: Reader, slow: Reader) -> None:
        self._name, self._reader, self._slow = destination, reader, slow

    async def page(self, which: DeadLetterFilter, after: int, limit: int) -> list[DeadRow]:
        """Letters behind a position, ascending."""
        return await self._reader.run(dead_letter_reads.page, self._name, which, after, limit)

    async def count(self, which: DeadLetterFilter) -> int:
        """How many there are of this kind."""
        return await self._slow.run(dead_letter_reads.count, self._name, which)

    async def oldest(self, limit: int) -> list[tuple[int, int, int]]:
        """Those that died first: (position, when, bytes)."""
        return await self._reader.run(dead_letter_reads.oldest, self._name, limit)


class SqliteReplays:
    """Implements `ports.Replays`."""

    def __init__(self, destination: str, reader: Reader, writer: Writer) -> None:
        self._name, self._reader, self._writer = destination, reader, writer
        self._forgotten = writer.forgotten

    async def newest(self) -> ReplayRow | None:
        """The newest replay."""
        return await self._reader.run(replay_reads.newest, self._name)

    async def settled(
        self, after: int, last: int, types: Sequence[str], limit: int
    ) -> tuple[list[LogRow], dict[int, DeadRow], frozenset[int], int]:
        """Retained events of a span that have no parked row."""
        rows, dead, late, upto = await self._reader.run(replay_reads.settled, self._name, after, last, types, limit)
        return self._forgotten.without(rows), dead, late, upto

    async def tally(self, after: int, last: int) -> tuple[dict[str, int], int]:
        """How many retained events of a span without a parked row came to each state."""
        return await self._reader.run(replay_reads.tally, self._name, after, last)

    async def filtered(self, positions: Sequence[int]) -> frozenset[int]:
        """Those of these settled events that were filtered."""
        return await self._reader.run(replay_reads.filtered, self._name, positions)

    async def teach(self, updates: Sequence[tuple[int, DirectoryUpdate]]) -> None:
        """Tell the directory what it was not told when these calls were accepted."""
        await self._writer.run_beside(lambda db: directory_writes.teach(db, updates))
