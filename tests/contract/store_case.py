"""A store as tests speak of it: with the destination as an argument, in place of a claim in hand."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, closing
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

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
    IsRefused,
    LaneRow,
    LogRow,
    Miscounted,
    Opening,
    ParkedRow,
    ReplayRow,
    Slice,
    Unit,
    Waits,
    none_refused,
)
from router.store.fence import Fence
from router.store.outcome_blocks import unpack_ahead
from router.store.sqlite.claims import SqliteClaim
from router.store.sqlite.store import SqliteStore, open_store

T = TypeVar("T")
NO_CURSOR: Any = None


if TYPE_CHECKING:
    Opened = SqliteStore
else:
    Opened = object


class Shorter(Opened):
    """Shorter ways to an opened store, whichever it is; for the checker of types it is the embedded one."""

    held_claims: dict[str, SqliteClaim]

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
        return self.held_claims.get(destination) or self.of_nobody(Fence(Unit(PART, destination), 0, 0))

    def of_nobody(self, fence: Fence) -> SqliteClaim:
        """A claim that owns nothing."""
        raise NotImplementedError

    async def place(self, destination: str) -> tuple[int, set[int]]:
        """How far a destination is, whoever owns it: its cursor, and the positions ahead of that."""
        raise NotImplementedError

    async def execute(self, sql: str) -> None:
        """Change the store behind everybody's back."""
        raise NotImplementedError

    def number(self, sql: str, *args: object) -> int:
        """A number straight out of what is stored."""
        raise NotImplementedError

    def image(self) -> sqlite3.Connection:
        """What is stored now, in the tables of the embedded store."""
        raise NotImplementedError

    def contents(self) -> list[bytes]:
        """Every byte that is stored, in some pieces."""
        raise NotImplementedError

    def holds(self, *words: str) -> list[str]:
        """Those of these words that stand anywhere in the store."""
        contents = self.contents()
        return [word for word in words if any(word.encode() in content for content in contents)]

    async def tidy(self) -> None:
        """Trim what is due, where nothing has done that yet."""
        raise NotImplementedError

    def now_ms(self) -> int:
        """Router time."""
        raise NotImplementedError

    async def drop(self, destination: str) -> dict[str, int]:
        return await self.claims.drop(destination)

    def keep_for(self, destinations: Collection[str]) -> None:
        self.claims.keep_for(destinations)

    # ------------------------------------------------------------ what it reads

    async def known(
        self, asks: Sequence[tuple[str, int]], group_ids: Sequence[str], is_refused: IsRefused = none_refused
    ) -> DirectorySnapshot:
        return await self.claim("").directory.known(asks, group_ids, is_refused)

    async def lane(self, destination: str, user_key: str) -> LaneRow | None:
        return (await self.claim(destination).lanes.load([user_key])).get(user_key)

    async def state(self, destination: str, *keys: str) -> dict[str, bytes]:
        return await self.claim(destination).keyed_state.load(keys)

    async def parked(
        self, destination: str, wants: Sequence[tuple[str, str, int]], limit: int, **bytes: int
    ) -> list[tuple[list[ParkedRow], bool]]:
        return await self.claim(destination).lanes.parked(wants, Slice(limit, **bytes))

    async def due(self, destination: str, mode: str, now_ms: int, limit: int) -> list[str]:
        return await self.claim(destination).lanes.due(mode, now_ms, limit)

    async def next_due(self, destination: str, mode: str, after_ms: int) -> int | None:
        return await self.claim(destination).lanes.next_due(mode, after_ms)

    async def stuck_lanes(self, destination: str, after: str, limit: int) -> list[str]:
        return await self.claim(destination).lanes.stuck(after, limit)

    async def has_lanes(self, destination: str) -> bool:
        return await self.claim(destination).lanes.has_any()

    async def miscounted(self, destination: str, after: str, limit: int) -> tuple[dict[str, Miscounted], str | None]:
        return await self.claim(destination).lanes.miscounted(after, limit)

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


class StoreCase(Shorter, SqliteStore):
    """The embedded store."""

    def __init__(self, store: SqliteStore) -> None:
        self.__dict__ = store.__dict__
        self.held_claims = {}

    def of_nobody(self, fence: Fence) -> SqliteClaim:
        return SqliteClaim(NO_CURSOR, fence, self.writer, self.claims._reader, self.claims._slow)

    async def place(self, destination: str) -> tuple[int, set[int]]:
        sql = "SELECT pos, ahead FROM cursor WHERE destination = ?"
        pos, ahead = await self.claims._reader.run(lambda db: db.execute(sql, (destination,)).fetchone())
        return pos, unpack_ahead(pos, ahead)

    async def execute(self, sql: str) -> None:
        await self.writer.run_alone(lambda db: db.execute(sql).fetchall())

    def number(self, sql: str, *args: object) -> int:
        with closing(self.image()) as db:
            return int(db.execute(sql, args).fetchone()[0])

    def image(self) -> sqlite3.Connection:
        return sqlite3.connect(f"file:{self.path}?mode=ro", uri=True)

    def contents(self) -> list[bytes]:
        """In its files: any part of any page."""
        return [path.read_bytes() for path in self.path.parent.glob(f"{self.path.name}*")]

    async def tidy(self) -> None:
        """It trims with every commit that adds to it."""

    def now_ms(self) -> int:
        return self.writer.now_ms()


@asynccontextmanager
async def open_embedded(path: Path, clock_from: Callable[[int], Clock], **how: Any) -> AsyncIterator[tuple[Any, Clock]]:
    """As `open_store`."""
    async with open_store(path, clock_from, **how) as (store, clock):
        yield StoreCase(store), clock


opens: Callable[..., AbstractAsyncContextManager[tuple[Any, Clock]]] = open_embedded
"""How stores are opened: the fixture `backend` may have another one."""


@asynccontextmanager
async def open_case(
    path: Path,
    clock_from: Callable[[int], Clock],
    *,
    dedupe_window_s: float = 86_400,
    min_free_bytes: int = 0,
    retention_s: float = 7 * 86_400.0,
) -> AsyncIterator[tuple[StoreCase, Clock]]:
    """A store at this path; on a server, its database of that name. Opening it again is a restart."""
    async with opens(
        path,
        clock_from,
        dedupe_window_s=dedupe_window_s,
        min_free_bytes=min_free_bytes,
        retention_s=retention_s,
    ) as (store, clock):
        yield store, clock
