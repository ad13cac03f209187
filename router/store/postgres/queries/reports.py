"""What people ask of that which came in, and of that which goes out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from router.event import Call
from router.store.postgres import replay_reads, violation_rows
from router.store.postgres.block_reads import Blocks
from router.store.postgres.database import Database
from router.store.postgres.queries import failures, newest_calls, pages
from router.store.postgres.queries.personal_data import Scan
from router.store.postgres.scope import Scope
from router.store.rows import ReplayRow
from router.store.shards import WHOLE, Share


class PostgresInputReports:
    """Implements `ports.InputReports`. Raises StoreError while the database is away."""

    def __init__(self, database: Database, blocks: Blocks) -> None:
        self._database, self._blocks = database, blocks

    async def discards(self, source: str | None, since_ms: int) -> dict[str, Any]:
        """Why calls that got a 200 are nowhere."""
        return await self._database.ask(pages.discards, source, since_ms)

    async def discards_by_day(self, source: str | None, since_ms: int) -> list[dict[str, Any]]:
        """How many entries are kept of each day, source and code."""
        return await self._database.ask(pages.discards_by_day, source, since_ms)

    async def clients(self, source: str, most: int) -> dict[str, Any]:
        """Which libraries sent the newest events of a source, among so many of all sources."""
        return await newest_calls.clients(self._database, source, most)

    async def violations(self, source: str | None, event: str | None, since_ms: int) -> dict[str, Any]:
        """What does not fit the tracking plans: kinds of violations met since an instant, the most frequent first."""
        return await self._database.ask(violation_rows.violations, source, event, since_ms)

    async def personal_data(self, source: str | None, since_ms: int, before: int | None) -> dict[str, Any]:
        """What looks personal in a bounded part of the log, without any value."""
        return await Scan(self._database, self._blocks, source, since_ms).answer(before)


class PostgresOutputReports:
    """Implements `ports.OutputReports`. Raises StoreError while the database is away."""

    def __init__(self, database: Database, blocks: Blocks) -> None:
        self._database, self._blocks = database, blocks

    async def failures(self, destination: str, most: int) -> list[dict[str, Any]]:
        """The newest dead letters, and of events that are retrying the last attempt, newest first."""
        return await self._database.ask(failures.failures, self._blocks, destination, most)

    async def dead_reasons(self, destination: str, most: int) -> list[dict[str, Any]]:
        """Dead letters by reason, of so many at most."""
        return await self._database.ask(failures.dead_reasons, destination, most)

    async def newest_calls(self, destination: str, most: int) -> list[tuple[Call, str, str]]:
        """The newest calls, each with its state and reason at a destination."""
        return await newest_calls.newest_calls(self._database, destination, most)

    async def left_over(self, configured: Sequence[str]) -> dict[str, dict[str, int]]:
        """Destinations that are configured no more, and what is kept of them."""
        return await self._database.ask(pages.left_over, configured)

    async def newest_replay(self, destination: str, share: Share = WHOLE) -> ReplayRow | None:
        """The newest replay of a destination, or of a shard."""
        return await self._database.ask(replay_reads.newest, Scope(destination, share))
