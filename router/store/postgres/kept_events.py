"""The events that parked rows and dead letters refer to. They stand in the log; what goes from there while a row still refers to it
moves into `kept`, one copy for all destinations. Housekeeping sweeps out what nobody refers to any more: a commit that lets go of an event cannot
tell whether another one is about to park it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from router.store.commit_batch import CommitBatch
from router.store.forgotten import NOBODY
from router.store.keyed_hash import keyed_hash
from router.store.postgres.database import Connection
from router.store.rows import DeadRow, LogRow, ParkedRow

REFERENCES = 0x5E67_0002
"""Of the advisory lock: shared by commits whose rows may refer to events that go, exclusive for who makes sure that none is under way."""

EVENT = "pos, received_at, source, type, user_key, message_id, coalesce(body, '')"
PUT = (
    "INSERT INTO kept SELECT 0, * FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::text[], $5::text[], $6::text[], $7::text[],"
    " $8::bytea[]) ON CONFLICT (part, pos) DO UPDATE SET body = excluded.body WHERE kept.body IS NULL"
)
REFERRED = (
    "SELECT r.pos, true FROM (SELECT DISTINCT destination FROM unit WHERE part = 0) u CROSS JOIN LATERAL ("
    "SELECT pos FROM parked p WHERE p.part = 0 AND p.destination = u.destination AND p.pos > $1 AND p.pos <= $2 UNION ALL"
    " SELECT origin FROM parked p WHERE p.part = 0 AND p.destination = u.destination AND p.origin > $1 AND p.origin <= $2 AND p.origin <> 0"
    " UNION ALL SELECT pos FROM dead d WHERE d.part = 0 AND d.destination = u.destination AND d.pos > $1 AND d.pos <= $2) r"
    " UNION "
    "SELECT o.pos, false FROM (SELECT DISTINCT destination FROM unit WHERE part = 0) u CROSS JOIN LATERAL ("
    "SELECT pos FROM outcome o WHERE o.part = 0 AND o.destination = u.destination AND o.pos > $1 AND o.pos <= $2 AND o.at >= $3) o"
)
"""Positions of a span that a row of any destination refers to (true), and of which it is told what became of them (false). One statement, so
one snapshot: a row that turns from parked to dead meanwhile is the one or the other."""

IS_REFERRED = (
    "EXISTS (SELECT 1 FROM unit u WHERE u.part = 0 AND ("
    "EXISTS (SELECT 1 FROM parked p WHERE p.part = 0 AND p.destination = u.destination AND p.pos = k.pos)"
    " OR EXISTS (SELECT 1 FROM parked p WHERE p.part = 0 AND p.destination = u.destination AND p.origin = k.pos AND p.origin <> 0)"
    " OR EXISTS (SELECT 1 FROM dead d WHERE d.part = 0 AND d.destination = u.destination AND d.pos = k.pos)))"
)
IS_TOLD = (
    "EXISTS (SELECT 1 FROM unit u JOIN outcome o ON o.part = u.part AND o.destination = u.destination"
    " WHERE u.part = 0 AND o.pos = k.pos)"
)


async def at(connection: Connection, positions: Sequence[int]) -> dict[int, LogRow]:
    """The events at these positions that outlived the log; without a body where nothing is left to send."""
    sql = f"SELECT {EVENT} FROM kept WHERE part = 0 AND pos = ANY($1::bigint[])"
    return {row[0]: LogRow(*row) for row in await connection.fetch(sql, list(positions))} if positions else {}


async def keep(connection: Connection, step: CommitBatch) -> None:
    """Store the events themselves of a step's new rows that are in the log no more. Inside its transaction, before it ends."""
    rows: list[ParkedRow | DeadRow] = [*step.park.values(), *step.dead]
    positions = [(row.origin if isinstance(row, ParkedRow) else 0) or row.pos for row in rows]
    if max(positions, default=0) <= 0:
        return
    trimmed = await connection.fetchval("SELECT trimmed_1($1)", REFERENCES)
    gone = [
        LogRow(pos, row.received_at, row.source, row.type, row.user_key, row.message_id, row.body)
        for pos, row in zip(positions, rows, strict=True)
        if 0 < pos <= trimmed
    ]
    if gone:
        await put(connection, [(row, True) for row in gone])


async def put(connection: Connection, events: Iterable[tuple[LogRow, bool]]) -> None:
    """Keep these, each with its body or without. In order of position, as everybody who writes here: two never wait in a circle."""
    key = await connection.fetchval("SELECT value FROM meta WHERE key = 'hash_key'")
    rows = {
        row.pos: (
            row.pos,
            keyed_hash(key, row.source, row.message_id),
            row.received_at,
            row.source,
            row.type,
            row.user_key,
            row.message_id,
            row.body if with_body else None,
        )
        for row, with_body in events
    }
    in_order = [rows[pos] for pos in sorted(rows)]
    await connection.execute(PUT, *(list(column) for column in zip(*in_order, strict=True)))


async def referred(connection: Connection, after: int, last: int, told_from_ms: int) -> tuple[set[int], set[int]]:
    """Positions of a span that rows refer to, and those settled late, since an instant, of which it is told what became of them."""
    found: tuple[set[int], set[int]] = (set(), set())
    for pos, is_referred in await connection.fetch(REFERRED, after, last, told_from_ms):
        found[not is_referred].add(pos)
    return found


def of_block(rows: Sequence[LogRow], referred: set[int], told: set[int]) -> list[tuple[LogRow, bool]]:
    """What is kept of the rows of a block, each with its body or without."""
    found = []
    for row in rows:
        if row.pos in referred:
            found.append((row, True))
        elif row.pos in told and row.user_key != NOBODY:
            found.append((row, False))
    return found


async def sweep(connection: Connection, after: int, limit: int) -> int | None:
    """Look at some kept events behind a position, whether a row still refers to them. Inside a transaction. Returns how far; None: to the
    end."""
    await connection.execute("SELECT pg_advisory_xact_lock($1)", REFERENCES)  # no commit adds rows within it
    found = await connection.fetch(
        "SELECT pos FROM kept WHERE part = 0 AND pos > $1 ORDER BY pos LIMIT $2 FOR UPDATE", after, limit
    )
    positions = [row[0] for row in found]
    await _let_go(connection, positions)
    return positions[-1] if len(positions) == limit else None


async def let_go(connection: Connection, positions: Sequence[int]) -> None:
    """The same at once, for events that rows referred to which went in this transaction."""
    if positions:
        await connection.execute("SELECT pg_advisory_xact_lock($1)", REFERENCES)
        await _let_go(connection, sorted(positions))


async def _let_go(connection: Connection, positions: Sequence[int]) -> None:
    these = "k.part = 0 AND k.pos = ANY($1::bigint[])"
    await connection.execute(
        f"UPDATE kept k SET body = NULL WHERE {these} AND body IS NOT NULL AND NOT {IS_REFERRED} AND {IS_TOLD}",
        list(positions),
    )
    await connection.execute(
        f"DELETE FROM kept k WHERE {these} AND NOT {IS_REFERRED} AND NOT {IS_TOLD}", list(positions)
    )
