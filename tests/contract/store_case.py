"""A store as tests speak of it: with the destination as an argument, in place of a claim in hand."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Collection, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

from router.clock import Clock
from router.event import Call, Discard
from router.store import (
    PART,
    CommitBatch,
    CursorRow,
    DeadLetterFilter,
    DeadRow,
    DirectorySnapshot,
    DirectoryUpdate,
    GroupCallRow,
    LaneRow,
    LogRow,
    Opening,
    ParkedRow,
    ReplayRow,
    Unit,
    Waits,
)
from router.store.outcome_blocks import unpack_ahead
from router.store.sqlite.claims import SqliteClaim
from router.store.sqlite.fence import Fence
from router.store.sqlite.store import SqliteStore, open_store

T = TypeVar("T")
NO_CURSOR: Any = None


class StoreCase(SqliteStore):
    """The opened store itself, and shorter ways to it."""

    def __init__(self, store: SqliteStore) -> None:
        self.__dict__ = store.__dict__
        self.held_claims: dict[str, SqliteClaim] = {}

    @property
    def head(self) -> int:
        return self.log.head

    async def append(
        self, calls: Sequence[Call], facts: Sequence[DirectoryUpdate | None], discards: Sequence[Discard]
    ) -> list[int]:
        return await self.log.append(calls, facts, discards)

    async def read(self, after: int, limit: int, max_bytes: int) -> list[LogRow]:
        return await self.log.read(after, limit, max_bytes)

    async def span(self, since_ms: int, until_ms: int) -> tuple[int, int]:
        return await self.log.span(since_ms, until_ms)

    def watch(self, wake: Callable[[], None]) -> None:
        self.log.watch(wake)

    def unwatch(self, wake: Callable[[], None]) -> None:
        self.log.unwatch(wake)

    # ------------------------------------------------------------ what an owner does

    async def cursor(
        self, destination: str, now_ms: int, mode: str = "live", *, is_enabled: bool = True, gate: str = ""
    ) -> CursorRow:
        """Take the destination over from whoever has it; its commits are mine from now on."""
        claim = await self.claims.open(Unit(PART, destination), Opening(now_ms, mode, is_enabled, gate))
        self.held_claims[destination] = claim
        return claim.cursor

    async def commit(self, step: CommitBatch) -> list[tuple[str, str]]:
        """By the claim that was opened last."""
        return await self.claim(step.destination).commit(step)

    def claim(self, destination: str) -> SqliteClaim:
        """The claim that was opened last; one that owns nothing, to read by, where there is none."""
        reader = self.claims._reader
        nobody = SqliteClaim(NO_CURSOR, Fence(Unit(PART, destination), 0, 0), self.writer, reader, self.claims._slow)
        return self.held_claims.get(destination, nobody)

    async def forget(self, destination: str) -> dict[str, int]:
        return await self.claims.forget(destination)

    def keep_for(self, destinations: Collection[str]) -> None:
        self.claims.keep_for(destinations)

    # ------------------------------------------------------------ what it reads

    async def place(self, destination: str) -> tuple[int, set[int]]:
        """How far a destination is, whoever owns it: its cursor, and the positions ahead of that."""
        sql = "SELECT pos, ahead FROM cursor WHERE destination = ?"
        pos, ahead = await self.claims._reader.run(lambda db: db.execute(sql, (destination,)).fetchone())
        return pos, unpack_ahead(pos, ahead)

    async def known(
        self, asks: Sequence[tuple[str, int]], group_ids: Sequence[str], refused: Collection[int] = ()
    ) -> DirectorySnapshot:
        return await self.claim("").directory.known(asks, group_ids, refused)

    async def lane(self, destination: str, user_key: str) -> LaneRow | None:
        return (await self.claim(destination).lanes.load([user_key])).get(user_key)

    async def state(self, destination: str, *keys: str) -> dict[str, bytes]:
        return await self.claim(destination).keyed_state.load(keys)

    async def parked(
        self, destination: str, wants: Sequence[tuple[str, str, int]], limit: int
    ) -> list[tuple[list[ParkedRow], bool]]:
        return await self.claim(destination).lanes.parked(wants, limit)

    async def due(self, destination: str, mode: str, now_ms: int, limit: int) -> list[str]:
        return await self.claim(destination).lanes.due(mode, now_ms, limit)

    async def next_due(self, destination: str, mode: str, after_ms: int) -> int | None:
        return await self.claim(destination).lanes.next_due(mode, after_ms)

    async def stuck_lanes(self, destination: str, after: str, limit: int) -> list[str]:
        return await self.claim(destination).lanes.stuck(after, limit)

    async def has_lanes(self, destination: str) -> bool:
        return await self.claim(destination).lanes.has_any()

    async def without_lane(
        self, destination: str, after: str, limit: int
    ) -> tuple[dict[str, tuple[int, int, int]], str | None]:
        return await self.claim(destination).lanes.without_lane(after, limit)

    async def openings(self, destination: str) -> list[tuple[str, str]]:
        return await self.claim(destination).lanes.openings()

    async def last_place(self, destination: str) -> int:
        return await self.claim(destination).lanes.last_place()

    async def due_timers(self, destination: str, now_ms: int, limit: int) -> list[tuple[str, int, str]]:
        return await self.claim(destination).keyed_state.due_timers(now_ms, limit)

    async def next_timer(self, destination: str, after_ms: int) -> int | None:
        return await self.claim(destination).keyed_state.next_timer(after_ms)

    async def supplies(self, destination: str) -> list[GroupCallRow]:
        return await self.claim(destination).group_calls()

    async def letters(self, destination: str, which: DeadLetterFilter, after: int, limit: int) -> list[DeadRow]:
        return await self.claim(destination).dead_letters.page(which, after, limit)

    async def replay(self, destination: str) -> ReplayRow | None:
        return await self.claim(destination).replays.newest()

    async def waiting(self, destination: str) -> list[Waits]:
        return await self.queries.waiting(destination)


@asynccontextmanager
async def open_case(
    path: Path,
    clock_from: Callable[[int], Clock],
    *,
    dedupe_window_s: float = 86_400,
    min_free_bytes: int = 0,
    retention_s: float = 7 * 86_400.0,
) -> AsyncIterator[tuple[StoreCase, Clock]]:
    """As `open_store`."""
    async with open_store(
        path,
        clock_from,
        dedupe_window_s=dedupe_window_s,
        min_free_bytes=min_free_bytes,
        retention_s=retention_s,
    ) as (store, clock):
        yield StoreCase(store), clock
