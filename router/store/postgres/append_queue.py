"""What waits to be appended: everything that is pending goes into one group; while one commits the next one gathers. The newest part of
the log is in memory, too."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import Callable
from typing import Any

import asyncpg

from router.clock import Clock
from router.errors import StoreAway, StoreBusy, StoreError
from router.store.append_counts import AppendCounts
from router.store.append_intake import AppendIntake
from router.store.blocks import MOST_BYTES, MOST_EVENTS, within
from router.store.keyed_hash import CallHasher
from router.store.pending import Append
from router.store.postgres.append_group import AsOf, Group, Head, see_through
from router.store.postgres.database import (
    AWAY_PAUSE_S,
    GONE,
    STALE_GENERATION,
    STALE_PEOPLE,
    Connection,
    Database,
    closed,
    is_away,
    is_data,
    refusal,
)
from router.store.postgres.known_people import KnownPeople
from router.store.rows import Written

WHOLE_S = 5.0
"""So long a group may take; then its clients are told to come again."""


class AppendQueue(AppendIntake):
    """Owns one connection while `run` runs."""

    def __init__(self, database: Database, clock: Clock, hash_key: bytes, window_ms: int, people: KnownPeople) -> None:
        super().__init__()
        self.head: Head = Head(0, 0, 0)  #: as known here: it may lag, and never leads
        self.written = Written()
        self.sources = AppendCounts()
        self.when_back: Callable[[], None] = lambda: None  #: the database has gone back in time
        self.is_away = False  #: the last group did not reach the database
        self.writing_since: float | None = None
        self._database, self.clock, self._people = database, clock, people
        self._hashes_of, self._window_ms = CallHasher(hash_key), window_ms
        self._connection: Connection | None = None
        self._generation = 0
        self._known: set[str] = set()  #: sources that the database knows

    # ------------------------------------------------------------ the loop

    async def run(self) -> None:
        """Append group after group until closed and drained."""
        try:
            while self._appends or not self._closing:
                if not self._appends:
                    await self._idle()
                    continue
                self.writing_since = self.clock.monotonic()
                await self._write(self._take())
                self.writing_since = None
        finally:
            if self._connection is not None:
                await closed(self._connection)

    async def _idle(self) -> None:
        """Wait for something to append. While the database is away it is looked for: an append without an answer may be stored."""
        self._wake.clear()
        woken: list[asyncio.Future[Any]] = [asyncio.ensure_future(self._wake.wait())]
        if self.is_away:
            woken.append(asyncio.ensure_future(self.clock.sleep(AWAY_PAUSE_S)))
        await asyncio.wait(woken, return_when=asyncio.FIRST_COMPLETED)
        for one in woken:
            one.cancel()
        if self.is_away and not self._appends:
            with contextlib.suppress(*GONE, asyncpg.InterfaceError):
                await self.connect()
                self.is_away = False

    async def connect(self) -> Connection:
        """The connection; a new one tells what is stored by now."""
        if self._connection is None or self._connection.is_closed():
            connection = await self._database.connect()
            *head, self._generation = await connection.fetchrow(
                "SELECT pos, duplicates, discarded, generation FROM head WHERE part = 0"
            )
            self._connection = connection
            self._known.clear()
            if head[0] != self.head.pos:
                self.follow(Head(*head))
        return self._connection

    def follow(self, head: Head) -> None:
        """Others have appended: what is in memory ends before that. Or the database has lost the newest events: its standby, which did not
        have them, took its place."""
        self.tail.clear()
        is_back, self.head = head.pos < self.head.pos, head
        if is_back:
            self.when_back()
        self._wake_watchers()

    def _take(self) -> list[Append]:
        appends: list[Append] = []
        rows = events = size = 0
        while (
            self._appends and (not appends or events + len(self._appends[0].calls) <= MOST_EVENTS) and size < MOST_BYTES
        ):
            append = self._appends.popleft()
            rows += append.rows
            events += len(append.calls)
            size += append.size
            appends.append(append)
        self._rows -= rows
        self._bytes -= size
        return appends

    async def _write(self, appends: list[Append]) -> None:
        began = self.clock.monotonic()
        try:
            group = Group(appends, self._hashes_of)
            found, head = await self._store(group)
        except Exception as error:
            if len(appends) > 1 and (is_data(error) or type(error) is StoreError):
                for append in appends:  # one of them cannot be written at all: the others can
                    await self._write([append])
                return
            if isinstance(error, asyncpg.PostgresError) and error.sqlstate == STALE_PEOPLE:
                await self._write_of_others(appends)
                return
            self.is_away = is_away(error) or isinstance(error, StoreAway)
            if self.is_away and self._connection is not None:
                self._connection.terminate()  # it may be in the middle of something
                self._connection = None
            told = self._refusal(error)
            for append in appends:
                append.answer(type(told)(*told.args))
            return
        self.is_away = False
        self.written.seconds += self.clock.monotonic() - began
        self._answer(group, found, head)

    async def _write_of_others(self, appends: list[Append]) -> None:
        """Somebody else has taken a demand meanwhile. Who sent calls of people who are suppressed by now is told to come again: the calls are
        looked at anew then."""
        try:
            async with asyncio.timeout(WHOLE_S):
                await self._people.refresh()
        except (TimeoutError, StoreError, asyncpg.PostgresError):
            for append in appends:
                append.answer(StoreAway())
            return
        left = [append for append in appends if not self._may_name_suppressed(append)]
        for append in appends:
            if append not in left:
                append.answer(StoreBusy("people were suppressed a moment ago: send it again"))
        if left:
            await self._write(left)

    def _may_name_suppressed(self, append: Append) -> bool:
        suppressed = self._people.suppressions
        if not suppressed:
            return False
        return any(call.user_key in suppressed for call in append.calls) or any(
            discard.excerpt for discard in append.discards
        )

    @staticmethod
    def _refusal(error: Exception) -> StoreError:
        if is_data(error):
            return StoreError(f"the call cannot be stored: {type(error).__name__}: {error}")
        return refusal(error)

    async def _store(self, group: Group) -> tuple[list[int], Head]:
        """Raises what the database says."""
        while True:
            connection = await self.connect()
            as_of = AsOf(self._generation, self._people.version, self.clock.now_ms(), self._window_ms)
            work = asyncio.ensure_future(group.store(connection, as_of, self._known))
            await see_through(connection, work, WHOLE_S)
            if not work.done():
                raise StoreAway
            try:
                return work.result()
            except asyncpg.PostgresError as error:
                if error.sqlstate != STALE_GENERATION:
                    raise
            self._generation = await connection.fetchval("SELECT generation FROM head WHERE part = 0")

    def _answer(self, group: Group, found: list[int], head: Head) -> None:
        """The group is durable: everybody is answered, and who reads the log is woken."""
        new = [pos for pos in found if pos]
        stored = len(new)
        if head.pos != self.head.pos + stored:  # others have appended meanwhile: what is in memory would have a gap
            self.tail.clear()
        self.written.n += 1
        if stored:
            self.written.group.add(stored)
        self.written.events += stored
        self.written.bytes += sum([append.size for append in group.appends])
        self.head = head
        for call in group.calls:
            call.received_at = within(call.received_at, group.floor, group.at)
        ends = list(itertools.accumulate(len(append.calls) for append in group.appends))
        positions_of = [found[end - len(append.calls) : end] for append, end in zip(group.appends, ends, strict=True)]
        self.tail.add_group(
            (append.calls, positions, append.size)
            for append, positions in zip(group.appends, positions_of, strict=True)
        )
        for append, positions in zip(group.appends, positions_of, strict=True):
            self.sources.add(append.calls, positions, append.discards)
            append.answer(positions)
        self._wake_watchers()

    def _wake_watchers(self) -> None:
        for wake in self.watchers:
            wake()
