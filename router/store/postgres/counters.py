"""What was counted by minute and by hour, and how much waits now. All nodes add to the same rows."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from router.counts import Counted, Counts
from router.store.append_counts import AppendCounts
from router.store.postgres import counter_rows
from router.store.postgres.block_reads import Blocks
from router.store.postgres.database import Database
from router.store.postgres.queries.samples import samples


class PostgresCounters:
    """Implements `ports.Counters`. Raises StoreError while the database is away."""

    def __init__(self, database: Database, blocks: Blocks, sources: AppendCounts, now_ms: Callable[[], int]) -> None:
        self._database, self._blocks, self._sources, self._now_ms = database, blocks, sources, now_ms

    def of_sources(self) -> Mapping[str, Counts]:
        """What was counted of each source since the start of the process."""
        return self._sources.of

    async def add(self, at_ms: int, counted: Mapping[Counted, Counts]) -> None:
        """Add to the buckets of this instant; too old ones go. Where the answer is lost they may have been added all the same: what is
        added again then is in the plots twice."""
        await self._database.write(counter_rows.add, at_ms, counted, self._now_ms())

    async def buckets(
        self, span_s: int, since_ms: int, kind: str | None = None, name: str | None = None
    ) -> list[tuple[int, Counted, Counts]]:
        """Buckets of this length that begin at or after an instant, oldest first."""
        return await self._database.ask(counter_rows.buckets, span_s, since_ms, kind, name)

    async def samples(self, destinations: Sequence[str]) -> dict[str, dict[str, float]]:
        """How much waits at each of these."""
        return await self._database.ask(samples, self._blocks, destinations, self._now_ms())
