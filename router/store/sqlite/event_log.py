"""The log of accepted events: appended through the writer, read from memory where its newest events are asked for."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from router.event import Call, Discard
from router.store.ports import OnStored
from router.store.rows import DirectoryUpdate, LogRow
from router.store.sqlite import log_reads
from router.store.sqlite.group_commit import Writer
from router.store.sqlite.reader import Reader


class SqliteEventLog:
    """Implements `ports.EventLog`."""

    def __init__(self, writer: Writer, reader: Reader) -> None:
        self._writer, self._reader = writer, reader

    @property
    def head(self) -> int:
        """Position of the newest readable event."""
        return self._writer.head.pos

    def watch(self, wake: Callable[[], None]) -> None:
        """Call `wake` whenever the head has moved."""
        self._writer.watchers.append(wake)

    def unwatch(self, wake: Callable[[], None]) -> None:
        """Stop calling `wake`."""
        self._writer.watchers.remove(wake)

    async def append(
        self, calls: Sequence[Call], facts: Sequence[DirectoryUpdate | None], discards: Sequence[Discard]
    ) -> list[int]:
        """Store events. Returns their positions in the same order, 0 for a duplicate."""
        return await self._writer.append(calls, facts, discards)

    def append_soon(
        self,
        calls: Sequence[Call],
        facts: Sequence[DirectoryUpdate | None],
        discards: Sequence[Discard],
        on_done: OnStored,
    ) -> None:
        """Store events, and call `on_done` in the event loop once that is durable or has failed."""
        self._writer.append_soon(calls, facts, discards, on_done)

    async def read(self, after: int, limit: int, max_bytes: int) -> list[LogRow]:
        """Events above a position, ascending."""
        newest = self._writer.tail.read(after, limit, max_bytes)
        rows = await self._reader.run(log_reads.log_rows, after, limit, max_bytes) if newest is None else newest
        return self._writer.forgotten.blanked(rows)

    async def span(self, since_ms: int, until_ms: int) -> tuple[int, int]:
        """The retained events accepted in this time: (behind this position, up to this one)."""
        return await self._reader.run(log_reads.span, since_ms, until_ms)
