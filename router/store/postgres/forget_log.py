"""Erase the bodies of people and groups in the log, and of what outlived it. `find_*` look through it, a slice at a time: no index says
whose an event is. The others run inside a transaction, which rewrites whole blocks: also what was refused as a duplicate stands in them.

What is left of an event is when it came, from which source, of which type, and what became of it.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import NamedTuple

from router.event import VIOLATIONS_USER, named_groups, without_told_id
from router.store.blocks import pack, refused_of, unpack
from router.store.forgotten import NOBODY, blank, left_of
from router.store.keyed_hash import keyed_hash
from router.store.postgres.block_reads import BLOCK
from router.store.postgres.database import Connection
from router.store.regulation import Regulation
from router.store.rows import LogRow

LOOKED_THROUGH = 100
"""Blocks, or events that outlived the log, that one reading looks through."""
SLICE = 8
"""Blocks that one transaction rewrites."""
TOGETHER = 10_000
"""Positions behind an event where what was stored together with it may stand: the other events of its request, and what was forwarded of
them."""
NO_DUPLICATES = b""


class Theirs:
    """Tells events of these people and groups from others."""

    def __init__(self, regulation: Regulation) -> None:
        self._keys, self._groups = frozenset(regulation.keys), regulation.groups

    def has(self, user_key: str, body: bytes) -> bool:
        """Whether an event is theirs."""
        return user_key in self._keys or (bool(self._groups) and not self._groups.isdisjoint(named_groups(body)))


class Found(NamedTuple):
    """What one reading has found."""

    firsts: list[int]  #: blocks that have an event of theirs
    ids: frozenset[str]  #: the message ids of these events
    upto: int  #: how far it has looked


async def find_logged(connection: Connection, regulation: Regulation) -> Found:
    """The next blocks with an event of theirs."""
    theirs, upto = Theirs(regulation), regulation.pos
    firsts: list[int] = []
    ids: set[str] = set()
    sql = f"SELECT {BLOCK} FROM block WHERE part = 0 AND first > $1 AND first <= $2 ORDER BY first LIMIT 1"
    for _ in range(LOOKED_THROUGH):
        record = await connection.fetchrow(sql, upto, regulation.bound)
        if record is None:
            return Found(firsts, frozenset(ids), regulation.bound)
        rows = unpack(*record)
        upto = rows[-1].pos
        mine = {row.message_id for row in rows if theirs.has(row.user_key, row.body)}
        if mine or any(theirs.has(*event) for event in refused_of(record[0], record[3], record[4])):
            firsts.append(rows[0].pos)
            ids |= mine
        if len(firsts) == SLICE:
            break
    return Found(firsts, frozenset(ids - {NOBODY}), upto)


async def find_told_of(connection: Connection, after: int, last: int, ids: Collection[str]) -> list[int]:
    """Blocks with violations that were forwarded of events with these ids, which stand in a span. They were stored together with the events,
    or behind them."""
    firsts = []
    sql = f"SELECT {BLOCK} FROM block WHERE part = 0 AND first > $1 AND first <= $2 ORDER BY first LIMIT 1"
    at, upto = after, last + TOGETHER
    while ids and (record := await connection.fetchrow(sql, at, upto)) is not None:
        rows = unpack(*record)
        at = rows[-1].pos
        if any(told_of(row, ids) is not None for row in rows):
            firsts.append(rows[0].pos)
    return firsts


def told_of(row: LogRow, ids: Collection[str]) -> bytes | None:
    """What is left of a violation that was forwarded of an event with one of these ids; else None."""
    return without_told_id(row.body, ids) if row.user_key == f"u:{VIOLATIONS_USER}" and row.body else None


async def rewrite(connection: Connection, first: int, regulation: Regulation, ids: Collection[str]) -> int:
    """Erase the events of theirs in a block, and take these message ids out of forwarded violations. Returns how many were erased: none where
    the block was trimmed meanwhile, since what rows refer to has outlived it then."""
    record = await connection.fetchrow(f"SELECT {BLOCK} FROM block WHERE part = 0 AND first = $1 FOR UPDATE", first)
    if record is None:
        return 0
    theirs, with_groups = Theirs(regulation), bool(regulation.groups)
    key = await connection.fetchval("SELECT value FROM meta WHERE key = 'hash_key'")
    rows, erased, hashes = [], [], []
    for row in unpack(*record):
        if theirs.has(row.user_key, row.body):
            erased.append(row.pos)
            if row.message_id != NOBODY:
                hashes.append((keyed_hash(key, row.source, row.message_id), row.pos))
            left = b"" if with_groups else left_of(row.source, row.type, row.message_id, row.received_at, row.body)
            rows.append(blank(row, left))
        elif ids and (left_of_told := told_of(row, ids)) is not None:
            rows.append(
                LogRow(row.pos, row.received_at, row.source, row.type, row.user_key, row.message_id, left_of_told)
            )
        else:
            rows.append(row)
    sql = "UPDATE block SET dup = $2, data = $3 WHERE part = 0 AND first = $1"
    await connection.execute(sql, first, NO_DUPLICATES, pack(rows))
    await connection.execute(
        "INSERT INTO erased SELECT 0, * FROM unnest($1::bigint[], $2::bigint[]) ON CONFLICT DO NOTHING",
        [one for one, _ in hashes], [pos for _, pos in hashes],
    )  # fmt: skip
    await _erase_attempts(connection, erased)
    return len(erased)


# ---------------------------------------------------------------- what outlived the log


async def find_kept(connection: Connection, regulation: Regulation) -> tuple[list[int], frozenset[str], int]:
    """The next events of theirs that outlived the log, their message ids, and how far it was looked."""
    theirs = Theirs(regulation)
    rows = await connection.fetch(
        "SELECT pos, user_key, message_id, CASE WHEN $3 THEN body END FROM kept WHERE part = 0 AND pos > $1 AND pos <= $2 ORDER BY pos LIMIT $4",
        regulation.kept_pos, regulation.bound, bool(regulation.groups), LOOKED_THROUGH,
    )  # fmt: skip
    found = [(pos, id) for pos, user_key, id, body in rows if theirs.has(user_key, body or b"")]
    upto = rows[-1][0] if len(rows) == LOOKED_THROUGH else regulation.bound
    return [pos for pos, _ in found], frozenset(id for _, id in found if id != NOBODY), upto


async def erase_kept(connection: Connection, positions: Sequence[int]) -> int:
    """Erase these events. Returns how many there were."""
    sql = "UPDATE kept SET user_key = $2, message_id = $2, body = NULL WHERE part = 0 AND pos = ANY($1::bigint[])"
    erased = await connection.execute(sql, list(positions), NOBODY)
    await _erase_attempts(connection, positions)
    return int(erased.rpartition(" ")[2])


async def erase_told_of_kept(connection: Connection, ids: Collection[str]) -> None:
    """Take these message ids out of forwarded violations that outlived the log."""
    sql = "SELECT pos, body FROM kept WHERE part = 0 AND user_key = $1 AND body IS NOT NULL ORDER BY pos FOR UPDATE"
    for pos, body in await connection.fetch(sql, f"u:{VIOLATIONS_USER}") if ids else ():
        if (left := without_told_id(body, ids)) is not None:
            await connection.execute("UPDATE kept SET body = $2 WHERE part = 0 AND pos = $1", pos, left)


async def _erase_attempts(connection: Connection, positions: Sequence[int]) -> None:
    names = [row[0] for row in await connection.fetch("SELECT DISTINCT destination FROM unit WHERE part = 0")]
    for name in names:
        sql = "DELETE FROM attempt WHERE part = 0 AND destination = $1 AND pos = ANY($2::bigint[])"
        await connection.execute(sql, name, list(positions))
