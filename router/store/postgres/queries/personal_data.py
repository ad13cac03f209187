"""What looks personal in the log: counted backwards from the newest event, a bounded number of events at a time."""

from __future__ import annotations

from typing import Any

from router.clock import to_iso
from router.event import normalize_event
from router.personal_data import Tally
from router.store.postgres.block_reads import Blocks, last_before
from router.store.postgres.database import Connection, Database
from router.store.postgres.log_backwards import look_back
from router.store.rows import LogRow

SLICE = 500
PAGE = 5_000
"""Events that are looked at in one go, and for one answer."""


class Scan:
    """One answer, a slice at a time."""

    def __init__(self, database: Database, blocks: Blocks, source: str | None, since_ms: int) -> None:
        self._database, self._blocks, self._source, self._since_ms = database, blocks, source, since_ms
        self._tally = Tally()
        self._events = 0
        self._oldest: int | None = None  # ms

    async def answer(self, before: int | None) -> dict[str, Any]:
        """The counts of the events in front of a position; `next` where there is more, to be asked for as `before`."""
        at, low = await self._database.ask(self._begin, before)
        end = max(low, at - 1 - PAGE)
        while at > end + 1:
            at = (await look_back(self._database, end, at, self._is_counted, SLICE, SLICE + 1)).low + 1
        return {
            "events": self._events,
            "oldest": None if self._oldest is None else to_iso(self._oldest),
            "found": [{**found._asdict(), "events": n} for found, n in sorted(self._tally.counts.items())],
            "left_out": self._tally.left_out,
            "next": at if at > low + 1 else None,
        }

    async def _begin(self, connection: Connection, before: int | None) -> tuple[int, int]:
        """Where it starts, and where the log or the time asked for ends."""
        head: int = await connection.fetchval("SELECT pos FROM head WHERE part = 0")
        at = head + 1 if before is None else min(before, head + 1)
        return at, await last_before(connection, self._blocks, self._since_ms)

    def _is_counted(self, row: LogRow) -> bool:
        """Count what looks personal in an event; none is kept. Runs in a thread."""
        self._oldest = row.received_at
        if self._source in (None, row.source):
            event = normalize_event(row.source, row.type, row.message_id, row.received_at, row.body)
            self._tally.add(row.source, row.type, event.payload)
            self._events += 1
        return False
