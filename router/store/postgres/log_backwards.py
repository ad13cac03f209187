"""The log from its newest events backwards, for people who search it: a bounded part at a time, unpacked beside the event loop, and kept
nowhere."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeVar

from router.in_thread import in_thread
from router.store.blocks import unpack
from router.store.postgres.block_reads import BLOCK
from router.store.postgres.database import Connection, Database
from router.store.rows import LogRow

T = TypeVar("T")

BLOCKS, BYTES = 1_000, 2_000_000
"""That are read in one trip. One block is read however large it is."""

BACK = (
    f"SELECT {BLOCK} FROM (SELECT {BLOCK}, coalesce(sum(octet_length(data)) OVER (ORDER BY first DESC ROWS BETWEEN UNBOUNDED PRECEDING"
    " AND 1 PRECEDING), 0) AS before FROM (SELECT * FROM block WHERE part = 0 AND first < $2 AND first >= coalesce((SELECT b.first FROM"
    " block b WHERE b.part = 0 AND b.first <= $1::bigint + 1 ORDER BY b.first DESC LIMIT 1), $1::bigint + 1) ORDER BY first DESC LIMIT $3)"
    " newest) counted WHERE before < $4 ORDER BY first DESC"
)
"""Blocks with positions above $1 and below $2, the newest first."""


class Part(NamedTuple):
    """What one look back came to."""

    rows: list[LogRow]  #: newest first
    low: int  #: every event above it was looked at


async def look_back(
    database: Database, low: int, at: int, wanted: Callable[[LogRow], bool], most: int, limit: int
) -> Part:
    """Of the events above `low` and below `at`, of the newest `most` of them, those that are wanted. It ends early where it has `limit` of
    them, or has read enough for one trip."""
    low = max(low, at - 1 - most)
    records = await database.ask(_back, low, at)
    return await in_thread(_chosen, records, low, at, wanted, limit)


async def newest(database: Database, most: int, made: Callable[[LogRow], T]) -> list[T]:
    """What is made of each of the newest events, newest first."""
    at: int = await database.ask(_behind_head)
    low = max(at - 1 - most, 0)
    found: list[T] = []
    while at > low + 1:
        part = await look_back(database, low, at, lambda row: True, most, most)
        found += [made(row) for row in part.rows]
        at = part.low + 1
    return found


async def _back(connection: Connection, low: int, at: int) -> Sequence[Any]:
    records: Sequence[Any] = await connection.fetch(BACK, low, at, BLOCKS, BYTES)
    return records


async def _behind_head(connection: Connection) -> int:
    pos: int = await connection.fetchval("SELECT pos FROM head WHERE part = 0")
    return pos + 1


def _chosen(records: Sequence[Any], low: int, at: int, wanted: Callable[[LogRow], bool], limit: int) -> Part:
    """Runs in a thread of its own."""
    found: list[LogRow] = []
    for record in records:
        rows = unpack(*record)
        for row in reversed(rows[max(0, low + 1 - rows[0].pos) : at - rows[0].pos]):
            if wanted(row):
                found.append(row)
                if len(found) == limit:
                    return Part(found, row.pos - 1)
    return Part(found, max(low, records[-1]["first"] - 1) if records else low)
