"""What people ask of a store: the ledger, the fate of a message, who is held and why. Read-only, shapes as the admin API
gives them. Works beside a running daemon and without one."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

from router.counts import Counted, Counts
from router.errors import StoreError, StoreNewer
from router.event import Call
from router.store.rows import DeadLetterFilter, DirectorySnapshot, EventAsk, EventQuery, ReplayRow, Waits, none_refused
from router.store.shards import WHOLE, Share
from router.store.sqlite import directory_reads, regulation_rows, replay_reads
from router.store.sqlite.connection import Connection, open_reader
from router.store.sqlite.counter_rows import counted
from router.store.sqlite.held_counts import add_up, count_page
from router.store.sqlite.migrations import SCHEMA
from router.store.sqlite.queries.consent_ids import ConsentIds
from router.store.sqlite.queries.dead_letters import dead_letters
from router.store.sqlite.queries.destinations import destinations, left_over
from router.store.sqlite.queries.discards import discards, discards_by_day
from router.store.sqlite.queries.events import Search, begin
from router.store.sqlite.queries.failures import dead_reasons, failures
from router.store.sqlite.queries.held import held
from router.store.sqlite.queries.ledger import ledger
from router.store.sqlite.queries.message import find, message, stored_call
from router.store.sqlite.queries.newest_calls import clients, newest_calls
from router.store.sqlite.queries.personal_data import Scan
from router.store.sqlite.queries.samples import samples
from router.store.sqlite.queries.snapshot import ask
from router.store.sqlite.queries.stored_calls import calls
from router.store.sqlite.violation_rows import violations
from router.store.suppressions import Suppressions

T = TypeVar("T")


class Queries:
    """Asks a store through one read-only connection. Every answer is one consistent snapshot, but for `waiting`.

    `now_ms`: router time. Without it, time stands still at the newest commit.
    """

    def __init__(self, connection: Connection, now_ms: Callable[[], int] = lambda: 0) -> None:
        self._connection, self._now_ms = connection, now_ms

    async def ledger(self, destinations: Sequence[str]) -> dict[str, Any]:
        """Counts; per destination the seven add up to what was accepted since it began."""
        return await self._ask(ledger, destinations, self._now_ms())

    async def message(self, message_id: str, source: str | None, destinations: Sequence[str]) -> dict[str, Any] | None:
        """The fate of a message at each destination; None when unknown."""
        return await self._ask(message, message_id, source, destinations)

    async def events(
        self, which: EventQuery, destinations: Sequence[str], before: int | None, limit: int
    ) -> dict[str, Any]:
        """The newest events of this kind in front of a position, with their states. How far it looks back is bounded."""
        [found] = await self.events_together([EventAsk(which, before, limit)], destinations)
        return found

    async def events_together(self, asks: Sequence[EventAsk], destinations: Sequence[str]) -> list[dict[str, Any]]:
        """The same for several kinds: what one slice of each answers costs the event loop one hop. Slice after slice: one long
        reading would keep the WAL from being reused."""
        searches = [Search(which, destinations, before, limit) for which, before, limit in asks]
        left: Sequence[Search] = await self._ask(begin, searches)
        while left:
            await self._ask(left[0].look_on)
            left = [search for search in left if not search.is_over]
        return [search.answer() for search in searches]

    async def held(self, destination: str, user_key: str | None, after: str) -> dict[str, Any]:
        """Users whose events wait for a group, a page at a time."""
        return await self._ask(held, destination, user_key, after)

    async def waiting(self, destination: str) -> list[Waits]:
        """How much is held, by what it waits for. Page after page: one long reading would keep the WAL from being reused."""
        pages: list[Waits] = []
        after: str | None = ""
        while after is not None:
            found, after = await self._ask(count_page, destination, after)
            pages += found
        return add_up(pages)

    async def dead(self, destination: str, which: DeadLetterFilter, after: int | None) -> dict[str, Any]:
        """Dead letters in order of position, a page at a time."""
        return await self._ask(dead_letters, destination, which, after)

    async def position(self, message_id: str, source: str | None) -> int | None:
        """Where in the log the newest event with this message id stands or stood."""
        found = await self._ask(find, message_id, source)
        return found[0] if found else None

    async def stored_call(self, message_id: str, source: str | None) -> Call | None:
        """The newest event with this message id, while its body is retained."""
        return await self._ask(stored_call, message_id, source)

    async def known(self, asks: Sequence[tuple[str, int]], group_ids: Sequence[str]) -> DirectorySnapshot:
        """What the directory says of each (user key, position)."""
        return await self._connection.run(directory_reads.known, asks, group_ids, none_refused)

    async def left_over(self, configured: Sequence[str]) -> dict[str, dict[str, int]]:
        """Destinations that are configured no more, and what is kept of them: held, retrying, queued, dead letters."""
        return await self._ask(left_over, configured)

    async def consent_ids(self, most: int) -> ConsentIds:
        """The categories of consent that the newest events name, of so many at most."""
        search = ConsentIds(most)
        while not search.is_over:
            await self._ask(search.look_on)
        return search

    async def _ask(self, question: Callable[..., T], *args: object) -> T:
        """Raises StoreError where the disk or a lock refuses the reading."""
        return await ask(self._connection, question, *args)

    async def discards(self, source: str | None, since_ms: int) -> dict[str, Any]:
        """Why calls that got a 200 are nowhere: counts by source and code, and the newest ones; `since`: when the counts begin.
        `since_ms` is 0 for all there ever were."""
        return await self._ask(discards, source, since_ms)

    async def discards_by_day(self, source: str | None, since_ms: int) -> list[dict[str, Any]]:
        """The entries of `discards` that are kept, counted by day (UTC), source and code, the newest day first."""
        return await self._ask(discards_by_day, source, since_ms)

    async def clients(self, source: str, most: int) -> dict[str, Any]:
        """Which libraries sent the newest events of a source, among so many of all sources."""
        return await self._ask(clients, source, most)

    async def failures(self, destination: str, most: int) -> list[dict[str, Any]]:
        """The newest dead letters, and of events that are retrying the last attempt, newest first."""
        return await self._ask(failures, destination, most)

    async def dead_reasons(self, destination: str, most: int) -> list[dict[str, Any]]:
        """Dead letters by reason, of so many at most."""
        return await self._ask(dead_reasons, destination, most)

    async def newest_replay(self, destination: str, share: Share = WHOLE) -> ReplayRow | None:
        """The newest replay of a destination."""
        return await self._ask(replay_reads.newest, destination)

    async def newest_calls(self, destination: str, most: int) -> list[tuple[Call, str, str]]:
        """The newest calls, each with its state and reason at a destination."""
        return await self._ask(newest_calls, destination, most)

    async def personal_data(self, source: str | None, since_ms: int, before: int | None) -> dict[str, Any]:
        """What looks personal in a bounded part of the log, without any value. Slice after slice, as `events`."""
        scan = Scan(source, since_ms, before)
        await self._ask(scan.begin)
        while not scan.is_over:
            await self._ask(scan.look_on)
        return scan.answer()

    async def violations(self, source: str | None, event: str | None, since_ms: int) -> dict[str, Any]:
        """What does not fit the tracking plans: kinds of violations met since an instant, the most frequent first."""
        return await self._ask(violations, source, event, since_ms)

    async def calls(self, after: int, source: str | None, since_ms: int) -> tuple[list[Call], int]:
        """The stored calls behind a position, or since an instant, a page at a time; and where to go on, 0 at the end."""
        return await self._ask(calls, after, source, since_ms)

    async def counted(
        self, span_s: int, since_ms: int, kind: str | None = None, name: str | None = None
    ) -> list[tuple[int, Counted, Counts]]:
        """Buckets of this length (`COUNTED_SPANS`) that begin at or after an instant, oldest first: when, whose, what."""
        return await self._ask(counted, span_s, since_ms, kind, name)

    async def samples(self, destinations: Sequence[str]) -> dict[str, dict[str, float]]:
        """By destination: `held_events`, `held_people`, and `oldest_s`, the age of the oldest event that is neither settled nor held."""
        return await self._ask(samples, destinations, self._now_ms())

    async def suppressions(self) -> Suppressions:
        """Who is suppressed."""
        return await self._ask(regulation_rows.suppressions)

    async def destinations(self) -> list[str]:
        """The names of all destinations that have a cursor."""
        return await self._ask(destinations)


@asynccontextmanager
async def open_queries(path: Path) -> AsyncIterator[Queries]:
    """Read a store while no daemon runs (or beside it).

    Raises:
        FileNotFoundError, sqlite3.Error: there is no store to read.
        StoreNewer: written by a newer program.
        StoreError: written by an older one, and not upgraded yet.
    """
    connection = await open_reader(path)
    try:
        version = await connection.run(lambda db: db.execute("PRAGMA user_version").fetchone()[0])
        if version > SCHEMA:
            raise StoreNewer(
                f"{path} has schema {version}, this segment-router knows up to {SCHEMA}: use the newer version"
            )
        if version < SCHEMA:
            raise StoreError(
                f"{path} has schema {version}, this segment-router reads {SCHEMA}: the next start upgrades it"
            )
        yield Queries(connection)
    finally:
        await connection.close()
