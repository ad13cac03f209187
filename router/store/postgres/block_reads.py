"""Events of the log: pages in order, and single ones by position. Unpacked blocks are kept for a while."""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from typing import Any

from router.store.blocks import unpack
from router.store.forgotten import Forgotten
from router.store.postgres.database import Connection
from router.store.rows import LogRow

KEPT_BYTES = 8_000_000
"""Of unpacked blocks that are kept, by the bodies of their events."""
KEPT_BLOCKS = 500
AT_ONCE = 4
"""Blocks that are read in one trip."""
AT_ONCE_BYTES = 1_000_000
"""What is read in one trip of blocks that are looked up."""

BLOCK = "first, floor, at, dup, data"


class Blocks:
    """Unpacked blocks, those that were asked for last. Nobody changes their rows."""

    def __init__(self, forgotten: Forgotten) -> None:
        """`forgotten`: whose events nobody reads any more; single ones are found as they are."""
        self.forgotten = forgotten
        self._kept: OrderedDict[int, tuple[list[LogRow], int]] = OrderedDict()  #: first position: rows, bytes
        self._firsts: list[int] = []
        self._bytes = 0

    def clear(self) -> None:
        """Keep nothing."""
        self._kept.clear()
        self._firsts.clear()
        self._bytes = 0

    async def page(self, connection: Connection, after: int, limit: int, max_bytes: int) -> list[LogRow]:
        """Events above a position, ascending, up to a count and about this many bytes; at least one if there is any."""
        found: list[LogRow] = []
        while len(found) < limit and max_bytes > 0:
            rows = self._of(after + 1) or await self._load(connection, after)
            if not rows:
                break
            for row in rows[after + 1 - rows[0].pos if after >= rows[0].pos else 0 :]:
                found.append(row)
                max_bytes -= len(row.body)
                if len(found) >= limit or max_bytes <= 0:
                    break
            after = found[-1].pos
        return self.forgotten.blanked(found)

    async def at(self, connection: Connection, positions: Iterable[int]) -> dict[int, LogRow]:
        """The events at these positions that the log has."""
        found: dict[int, LogRow] = {}
        missing = []
        for pos in positions:
            if rows := self._of(pos):
                found[pos] = rows[pos - rows[0].pos]
            else:
                missing.append(pos)
        missing = sorted(set(missing))
        while missing:
            left: list[int] = []  # for the next trip
            for first, n, *rest in await connection.fetch(HOLDING, missing, AT_ONCE_BYTES):
                its = missing[bisect_left(missing, first) : bisect_left(missing, first + n)]
                if rest[-1] is None:
                    left += its
                elif its:
                    rows = self._keep((first, *rest))
                    found |= {pos: rows[pos - first] for pos in its}
            missing = left
        return found

    async def by_id(self, connection: Connection, block: int) -> list[LogRow]:
        """The events of one block; none where it was trimmed."""
        record = await connection.fetchrow(f"SELECT {BLOCK} FROM block WHERE part = 0 AND id = $1", block)
        return [] if record is None else self._keep(record)

    def _of(self, pos: int) -> list[LogRow] | None:
        """The rows of the kept block that has this position."""
        index = bisect_right(self._firsts, pos) - 1
        if index < 0:
            return None
        first = self._firsts[index]
        rows = self._kept[first][0]
        if pos > rows[-1].pos:
            return None
        self._kept.move_to_end(first)
        return rows

    async def _load(self, connection: Connection, after: int) -> Sequence[LogRow]:
        """The rows of the block that has the first event above a position."""
        records = await connection.fetch(ABOVE, after, AT_ONCE)
        blocks = [self._keep(record) for record in records]
        return blocks[0] if blocks else []

    def _keep(self, record: Sequence[Any]) -> list[LogRow]:
        first = record[0]
        if first in self._kept:
            return self._kept[first][0]
        rows = unpack(*record)
        size = sum(len(row.body) for row in rows)
        insort(self._firsts, first)
        self._kept[first] = rows, size
        self._bytes += size
        while (self._bytes > KEPT_BYTES or len(self._kept) > KEPT_BLOCKS) and len(self._kept) > 1:
            gone, (_, gone_bytes) = self._kept.popitem(last=False)
            del self._firsts[bisect_right(self._firsts, gone) - 1]
            self._bytes -= gone_bytes
        return rows


ABOVE = (
    f"SELECT {BLOCK} FROM block WHERE part = 0 AND first >= coalesce((SELECT c.first FROM (SELECT b.first, b.n FROM block b WHERE b.part = 0"
    " AND b.first <= $1::bigint + 1 ORDER BY b.first DESC LIMIT 1) c WHERE c.first + c.n > $1::bigint + 1), $1::bigint + 1)"
    " ORDER BY first LIMIT $2"
)
"""Blocks in order, from the one on that has the first position above $1."""
HOLDING = (
    "SELECT first, n, floor, at, dup, CASE WHEN before < $2 THEN data END AS data FROM (SELECT first, n, floor, at, dup, data,"
    " coalesce(sum(octet_length(data)) OVER (ORDER BY first ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), 0) AS before"
    " FROM block WHERE part = 0 AND first = ANY(ARRAY(SELECT DISTINCT (SELECT b.first FROM block b WHERE b.part = 0 AND b.first <= asked"
    " ORDER BY b.first DESC LIMIT 1) FROM unnest($1::bigint[]) AS asked))) held ORDER BY first"
)
"""Blocks that may have these positions; those beyond the bytes in $2 come without their data, and are asked for again."""


async def last_before(connection: Connection, blocks: Blocks, at_ms: int) -> int:
    """Position of the last event that was accepted before an instant. Time goes with position, block by block: bisection."""
    low, high = await connection.fetchrow(
        "SELECT coalesce(min(first), 1) - 1, coalesce(max(first), 0) FROM block WHERE part = 0"
    )
    while low < high:  # the last block that begins before the instant stands between these
        middle = (low + high + 1) // 2
        first, floor = await connection.fetchrow(
            "SELECT first, floor FROM block WHERE part = 0 AND first >= $1 ORDER BY first LIMIT 1", middle
        )
        if floor < at_ms:
            low = first
        else:
            high = middle - 1
    after = max(low - 1, 0)
    last = after
    while rows := await blocks.page(connection, after, 1000, KEPT_BYTES):
        before = [row.pos for row in rows if row.received_at < at_ms]
        last = before[-1] if before else last
        after = rows[-1].pos
        if len(before) < len(rows):
            break
    return int(last)
