"""What can be sent again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import msgspec

from router.store.forgotten import NOBODY
from router.store.outcome_blocks import SPAN
from router.store.postgres import directory_reads
from router.store.postgres.block_reads import Blocks
from router.store.postgres.database import Connection
from router.store.postgres.outcome_reads import outcomes_of
from router.store.postgres.receipt_codes import all_codes
from router.store.postgres.row_reads import DEAD, dead_rows
from router.store.postgres.scope import Scope
from router.store.rows import DeadRow, DirectoryUpdate, LogRow, ReplayRow

HERE = "part = 0 AND destination = $1"
SPAN_OF = f"{HERE} AND pos > $2 AND pos <= $3"
LOOKED_THROUGH = 5_000
"""Positions of the log that one read looks through."""
COUNTED = 20_000
"""Positions that one read counts."""
PAGE, PAGE_BYTES = 500, 4_000_000


async def newest(connection: Connection, scope: Scope) -> ReplayRow | None:
    """The newest replay of a destination, or of a shard."""
    job = await connection.fetchval(
        f"SELECT job FROM replay WHERE {HERE} AND shard = $2", scope.destination, scope.share.shard
    )
    return None if job is None else msgspec.json.decode(job, type=ReplayRow)


async def settled(
    connection: Connection, blocks: Blocks, scope: Scope, after: int, last: int, types: Sequence[str], limit: int
) -> tuple[list[LogRow], dict[int, DeadRow], frozenset[int], int]:
    """Events of a span without a parked row, also of a second sending; the dead letters among them, the positions that were
    sent late before, and how far the log was looked through. The shard of a dead letter is that of its user, who is another one than that of
    its event where the event was moved."""
    destination, share = scope
    upto = min(last, after + LOOKED_THROUGH)
    waiting = await _waiting(connection, destination, after, upto)
    moved = await _users_of_letters(connection, destination, after, upto) if share.shards > 1 else {}
    rows: list[LogRow] = []
    at = after
    while at < upto and len(rows) < limit:
        page = [row for row in await blocks.page(connection, at, PAGE, PAGE_BYTES) if row.pos <= upto]
        if not page:
            break
        rows += [
            row
            for row in page
            if row.type in types
            and row.pos not in waiting
            and row.user_key != NOBODY
            and share.has(moved.get(row.pos, row.user_key))
        ]
        at = page[-1].pos
    if len(rows) >= limit:
        del rows[limit:]
        upto = rows[-1].pos
    of_letters = f"{DEAD} WHERE {scope.here} AND pos > $2 AND pos <= $3 ORDER BY pos"
    records = await connection.fetch(of_letters, destination, after, upto)
    dead = await dead_rows(connection, blocks, destination, records)
    if len(dead) < len(records):  # as far as there was room for letters
        upto = dead[-1].pos
        rows = [row for row in rows if row.pos <= upto]
    late = await connection.fetch(f"SELECT pos FROM outcome WHERE {SPAN_OF}", destination, after, upto)
    return rows, {row.pos: row for row in dead}, frozenset(row[0] for row in late), upto


async def _users_of_letters(connection: Connection, destination: str, after: int, upto: int) -> dict[int, str]:
    """By position the user keys of all dead letters of a span."""
    return dict(await connection.fetch(f"SELECT pos, user_key FROM dead WHERE {SPAN_OF}", destination, after, upto))


async def _waiting(connection: Connection, destination: str, after: int, upto: int) -> set[int]:
    """Positions of a span that have a parked row, or whose second sending has one."""
    rows = await connection.fetch(
        f"SELECT pos FROM parked WHERE {SPAN_OF} UNION ALL SELECT origin FROM parked WHERE {HERE} AND origin > $2 AND origin <= $3"
        " AND origin <> 0",
        destination, after, upto,
    )  # fmt: skip
    return {row[0] for row in rows}


async def tally(
    connection: Connection, blocks: Blocks, scope: Scope, after: int, last: int
) -> tuple[dict[str, int], int]:
    """How many events of a span without a parked row came to each state here, "" for those that have no outcome; and how far it has
    counted."""
    destination, share = scope
    upto = min(last, after + COUNTED)
    spans = await connection.fetch(
        "SELECT first, n FROM block WHERE part = 0 AND first <= $2 AND first + n > $1::bigint + 1", after, upto
    )
    codes = {pos: 0 for first, n in spans for pos in range(max(first, after + 1), min(first + n - 1, upto) + 1)}
    receipts = await connection.fetch(
        f"SELECT from_pos, codes FROM receipt WHERE {HERE} AND to_pos > $2 AND to_pos <= $3::bigint + $4 AND from_pos <= $3::bigint",
        destination, after, upto, SPAN,
    )  # fmt: skip
    for first, packed in receipts:
        codes |= {pos: code for pos, code in all_codes(first, packed) if code and pos in codes}
    late = await connection.fetch(f"SELECT pos, code FROM outcome WHERE {SPAN_OF}", destination, after, upto)
    codes |= {pos: code for pos, code in late if pos in codes}
    for pos in await _waiting(connection, destination, after, upto):
        codes.pop(pos, None)
    if share.shards > 1:
        codes = await _own(connection, blocks, scope, codes, after, upto)
    states = dict(await connection.fetch("SELECT code, state FROM code"))
    return Counter(states.get(code, "") for code in codes.values()), upto


async def _own(
    connection: Connection, blocks: Blocks, scope: Scope, codes: dict[int, int], after: int, upto: int
) -> dict[int, int]:
    """Those of these positions of a span that are of the shard."""
    moved = await _users_of_letters(connection, scope.destination, after, upto)
    own: dict[int, int] = {}
    while after < upto and (page := await blocks.page(connection, after, PAGE, PAGE_BYTES)):
        own |= {
            row.pos: codes[row.pos]
            for row in page
            if row.pos in codes and scope.share.has(moved.get(row.pos, row.user_key))
        }
        after = page[-1].pos
    return own


async def filtered(connection: Connection, destination: str, positions: Sequence[int]) -> frozenset[int]:
    """Those of these settled events that were filtered."""
    codes = {row[0] for row in await connection.fetch("SELECT code FROM code WHERE state = 'filtered'")}
    settled = await outcomes_of(connection, [(destination, pos) for pos in positions]) if codes else {}
    return frozenset(pos for (_, pos), one in settled.items() if one.code in codes)


async def teach(connection: Connection, updates: Sequence[tuple[int, DirectoryUpdate]]) -> None:
    """Tell the directory what it was not told when these calls were accepted. It is written only while the head row is held."""
    async with connection.transaction():
        await connection.execute("SELECT 1 FROM head WHERE part = 0 FOR UPDATE")
        await directory_reads.teach(connection, updates)
