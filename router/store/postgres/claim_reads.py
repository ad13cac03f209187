"""What is read through a claim, by who asks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol, TypeVar

from router.store.postgres import directory_reads, lane_reads, preference_rows, replay_reads, row_reads, state_reads
from router.store.postgres.block_reads import Blocks
from router.store.postgres.database import Work
from router.store.postgres.scope import Scope
from router.store.rows import (
    DeadLetterFilter,
    DeadRow,
    DirectorySnapshot,
    DirectoryUpdate,
    IsRefused,
    LaneRow,
    LogRow,
    Miscounted,
    ParkedRow,
    ReplayRow,
    Slice,
    none_refused,
)

T = TypeVar("T")


class Reader(Protocol):
    """Who reads: in the way of an owner, or of people who ask."""

    async def read(self, work: Work[T], *args: Any) -> T: ...


class Owner(Reader, Protocol):
    """Who writes, too."""

    async def see_through(self, work: Work[T], *args: Any) -> T: ...


class PostgresDirectory:
    """Implements `ports.Directory`."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    async def known(
        self, asks: Sequence[tuple[str, int]], group_ids: Sequence[str], is_refused: IsRefused = none_refused
    ) -> DirectorySnapshot:
        """What the directory says of each (user key, position)."""
        return await self._reader.read(directory_reads.known, asks, group_ids, is_refused)

    async def denied(self, asks: Sequence[tuple[str, int]]) -> dict[tuple[str, int], frozenset[str]]:
        """For each (user key, position) the categories of consent that the user denies by now, if denied behind the position."""
        return await self._reader.read(preference_rows.denied, asks)

    async def withdrawals(self, after: int, upto: int, limit: int) -> list[tuple[int, str]]:
        """Users whose newest denial of a category stands in a span of the log."""
        return await self._reader.read(preference_rows.withdrawals, after, upto, limit)


class PostgresLanes:
    """Implements `ports.Lanes`."""

    def __init__(self, claim: Reader, scope: Scope, blocks: Blocks) -> None:
        self._claim, self._scope, self._blocks = claim, scope, blocks

    async def load(self, user_keys: Sequence[str]) -> dict[str, LaneRow]:
        """The rows of those of these users who have one."""
        return await self._claim.read(lane_reads.load, self._scope, user_keys)

    async def has_any(self) -> bool:
        """Whether any lane has a row."""
        return await self._claim.read(lane_reads.has_any, self._scope)

    async def parked(self, wants: Sequence[tuple[str, str, int]], most: Slice) -> list[tuple[list[ParkedRow], bool]]:
        """For each (user key, queue, place), or for the first of these: rows behind that place, and whether there may be more."""
        return await self._claim.read(row_reads.parked, self._blocks, self._scope.destination, wants, most)

    async def due(self, mode: str, now_ms: int, limit: int) -> list[str]:
        """User keys of lanes of this mode whose time has come, longest due first."""
        return await self._claim.read(lane_reads.due, self._scope, mode, now_ms, limit)

    async def next_due(self, mode: str, after_ms: int) -> int | None:
        """When the next lane of this mode is due, later than this."""
        return await self._claim.read(lane_reads.next_due, self._scope, mode, after_ms)

    async def held_since(self, before_ms: int, limit: int) -> list[str]:
        """User keys of lanes that hold something since before an instant, longest first."""
        return await self._claim.read(lane_reads.held_since, self._scope, before_ms, limit)

    async def openings(self) -> list[tuple[str, str]]:
        """Needs whose lanes were being opened when the last owner ended, each with the last lane done."""
        return await self._claim.read(lane_reads.openings, self._scope)

    async def stuck(self, after: str, limit: int) -> list[str]:
        """User keys, behind this one, of lanes that wait for nothing and are never due."""
        return await self._claim.read(lane_reads.stuck, self._scope, after, limit)

    async def miscounted(self, after: str, limit: int) -> tuple[dict[str, Miscounted], str | None]:
        """Of the next users those whose lane is missing or does not say how many parked rows there are."""
        return await self._claim.read(lane_reads.miscounted, self._scope, after, limit)

    async def last_place(self) -> int:
        """The highest place between two events that was given out."""
        return await self._claim.read(lane_reads.last_place, self._scope.destination)


class PostgresKeyedState:
    """Implements `ports.KeyedState`."""

    def __init__(self, claim: Reader, scope: Scope) -> None:
        self._claim, self._scope = claim, scope

    async def load(self, state_keys: Sequence[str]) -> dict[str, bytes]:
        """The values of those of these keys that have one, as JSON."""
        return await self._claim.read(state_reads.load, self._scope.destination, state_keys)

    async def due_timers(self, now_ms: int, limit: int) -> list[tuple[str, int, str]]:
        """Timers whose time has come: (state key, due, user key)."""
        return await self._claim.read(state_reads.due_timers, self._scope, now_ms, limit)

    async def next_timer(self, after_ms: int) -> int | None:
        """When the next timer is due, later than this."""
        return await self._claim.read(state_reads.next_timer, self._scope, after_ms)


class PostgresDeadLetters:
    """Implements `ports.DeadLetters`."""

    def __init__(self, claim: Reader, scope: Scope, blocks: Blocks) -> None:
        self._claim, self._scope, self._blocks = claim, scope, blocks

    async def page(self, which: DeadLetterFilter, after: int, limit: int) -> list[DeadRow]:
        """Letters behind a position, ascending."""
        return await self._claim.read(row_reads.letters, self._blocks, self._scope, which, after, limit)

    async def count(self, which: DeadLetterFilter) -> int:
        """How many there are of this kind."""
        return await self._claim.read(row_reads.count_letters, self._scope, which)

    async def oldest(self, limit: int) -> list[tuple[int, int, int]]:
        """Those that died first: (position, when, bytes)."""
        return await self._claim.read(row_reads.oldest_letters, self._scope, limit)


class PostgresReplays:
    """Implements `ports.Replays`."""

    def __init__(self, claim: Owner, scope: Scope, blocks: Blocks) -> None:
        self._claim, self._scope, self._blocks = claim, scope, blocks

    async def newest(self) -> ReplayRow | None:
        """The newest replay."""
        return await self._claim.read(replay_reads.newest, self._scope)

    async def settled(
        self, after: int, last: int, types: Sequence[str], limit: int
    ) -> tuple[list[LogRow], dict[int, DeadRow], frozenset[int], int]:
        """Retained events of a span that have no parked row."""
        return await self._claim.read(replay_reads.settled, self._blocks, self._scope, after, last, types, limit)

    async def tally(self, after: int, last: int) -> tuple[dict[str, int], int]:
        """How many retained events of a span without a parked row came to each state."""
        return await self._claim.read(replay_reads.tally, self._blocks, self._scope, after, last)

    async def filtered(self, positions: Sequence[int]) -> frozenset[int]:
        """Those of these settled events that were filtered."""
        return await self._claim.read(replay_reads.filtered, self._scope.destination, positions)

    async def teach(self, updates: Sequence[tuple[int, DirectoryUpdate]]) -> None:
        """Tell the directory what it was not told when these calls were accepted."""
        await self._claim.see_through(replay_reads.teach, updates)
