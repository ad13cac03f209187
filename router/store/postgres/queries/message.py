"""What became of one message: `why`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from router.clock import to_iso
from router.event import Call, trace_of, verdict_of
from router.store.forgotten import NOBODY
from router.store.keyed_hash import keyed_hash
from router.store.postgres.block_reads import Blocks
from router.store.postgres.database import Connection
from router.store.postgres.generations import RING
from router.store.postgres.queries.fates import fates_and_attempts
from router.store.postgres.queries.waits import waits_of
from router.store.postgres.row_reads import accepted_at
from router.store.rows import LogRow

SEEN = " UNION ALL ".join(f"SELECT block FROM seen_{n} WHERE hash = ANY($1::bigint[])" for n in range(RING))


async def message(
    connection: Connection, blocks: Blocks, message_id: str, source: str | None, destinations: Sequence[str]
) -> dict[str, Any] | None:
    """The fate of the newest event with this message id at each destination; None where it is unknown."""
    found = await find(connection, blocks, message_id, source)
    if found is None:
        return None
    answer: dict[str, Any] = {
        "message_id": message_id,
        "source": found.source,
        **({"forgotten": True} if found.user_key == NOBODY and found.pos > 0 else {}),
        "type": found.type,
        "user_id": found.user_key[2:] if found.user_key.startswith("u:") else None,
        "anonymous_id": found.user_key[2:] if found.user_key.startswith("a:") else None,
        "received_at": to_iso(found.received_at),
        "destinations": {},
    }
    if trace := trace_of(found.body):
        answer["trace_id"] = trace.split("-")[1]
    verdict = verdict_of(found.body)
    if verdict is not None:
        answer["plan"] = {"blocked": verdict.is_blocked, **verdict.told()}
    fates = await fates_and_attempts(connection, [(name, found.pos) for name in destinations])
    waits = await waits_of(connection, blocks, {ask: fate["state"] for ask, fate in fates.items()})
    again = {ask: fate["replay"]["state"] for ask, fate in fates.items() if "replay" in fate}
    second = await waits_of(connection, blocks, again) if again else {}
    for ask, fate in fates.items():
        answer["destinations"][ask[0]] = told = {**fate, **waits[ask]}
        if "replay" in fate:
            told["replay"] = {**fate["replay"], **second[ask]}
        if verdict is not None and (fate["state"], fate["reason"]) == ("filtered", "plan"):
            first = verdict.violations[0]
            told["detail"] = f"{first.type}: {first.field}"
    return answer


async def stored_call(connection: Connection, blocks: Blocks, message_id: str, source: str | None) -> Call | None:
    """The newest event with this message id, while its body is retained."""
    row = await find(connection, blocks, message_id, source)
    if row is None or row.pos < 0 or not row.body or row.user_key == NOBODY:
        return None
    return Call(row.source, row.type, row.message_id, row.user_key, row.received_at, row.body)


async def find(connection: Connection, blocks: Blocks, message_id: str, source: str | None) -> LogRow | None:
    """The newest acceptance of a message id; also what a timer returned."""
    key = await connection.fetchval("SELECT value FROM meta WHERE key = 'hash_key'")
    names = [source] if source else [row[0] for row in await connection.fetch("SELECT name FROM source")]
    hashes = [keyed_hash(key, name, message_id) for name in names]
    found: LogRow | None = None
    for (block,) in await connection.fetch(SEEN, hashes):
        for row in await blocks.by_id(connection, block):  # an id may have entered with a block that refused its event
            if row.message_id == message_id and row.source in names and (found is None or row.pos > found.pos):
                found = row
    for pos in await _outlived(connection, hashes):
        if found is None or pos > found.pos:
            found = (await accepted_at(connection, blocks, [pos])).get(pos, found)
    return found or await _woken(connection, message_id)


async def _outlived(connection: Connection, hashes: Sequence[int]) -> list[int]:
    """Positions of events that are told of though their block has their message id no more: they outlived it, or were erased in it."""
    sql = "SELECT pos FROM {} WHERE part = 0 AND hash = ANY($1::bigint[])"
    rows = await connection.fetch(f"{sql.format('kept')} UNION {sql.format('erased')}", hashes)
    return [row[0] for row in rows]


async def _woken(connection: Connection, message_id: str) -> LogRow | None:
    row = await connection.fetchrow(
        "SELECT w.pos, w.received_at, w.source, w.type, coalesce(p.user_key, d.user_key, '') AS user_key, w.message_id, w.body FROM woken w"
        " LEFT JOIN parked p USING (part, destination, pos) LEFT JOIN dead d USING (part, destination, pos)"
        " WHERE w.message_id = $1 LIMIT 1",
        message_id,
    )
    return LogRow(*row) if row is not None else None
