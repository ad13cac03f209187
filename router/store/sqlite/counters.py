"""What was counted by minute and by hour, and how much waits now."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence

from router.counts import Counted, Counts
from router.store.sqlite import counter_rows
from router.store.sqlite.group_commit import Writer
from router.store.sqlite.queries import Queries


class SqliteCounters:
    """Implements `ports.Counters`."""

    def __init__(self, writer: Writer, queries: Queries) -> None:
        self._writer, self._queries = writer, queries

    def of_sources(self) -> Mapping[str, Counts]:
        """What was counted of each source since the start of the process."""
        return self._writer.sources.of

    async def add(self, at_ms: int, counted: Mapping[Counted, Counts]) -> None:
        """Add to the buckets of this instant; too old ones go."""
        now_ms = self._writer.now_ms()

        def work(db: sqlite3.Connection) -> None:
            counter_rows.add(db, at_ms, counted, now_ms)

        await self._writer.run_beside(work)

    async def buckets(
        self, span_s: int, since_ms: int, kind: str | None = None, name: str | None = None
    ) -> list[tuple[int, Counted, Counts]]:
        """Buckets of this length that begin at or after an instant, oldest first."""
        return await self._queries.counted(span_s, since_ms, kind, name)

    async def samples(self, destinations: Sequence[str]) -> dict[str, dict[str, float]]:
        """How much waits at each of these."""
        return await self._queries.samples(destinations)
