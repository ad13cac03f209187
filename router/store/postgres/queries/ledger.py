"""The ledger: how many events each destination has brought to which end. The seven always add up to what was accepted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from router.store.ledger_words import HOW_MANY, LEDGER_COLUMNS, NONE_RELEASED, counts_told
from router.store.postgres.block_reads import Blocks
from router.store.postgres.database import Connection
from router.store.postgres.queries.waits import released, timers_of
from router.store.postgres.summed import SUMMED


async def ledger(connection: Connection, blocks: Blocks, destinations: Sequence[str], now_ms: int) -> dict[str, Any]:
    """Counts of all that was accepted, and of each of these destinations that has a unit."""
    head, duplicates, discarded, clock = await connection.fetchrow(
        "SELECT pos, duplicates, discarded, clock FROM head WHERE part = 0"
    )
    answer: dict[str, Any] = {"accepted": head, "duplicates": duplicates, "discarded": discarded, "destinations": {}}
    for name in destinations:
        row = await connection.fetchrow(f"SELECT {LEDGER_COLUMNS} FROM {SUMMED} u WHERE destination = $1", name)
        if row is None:
            continue
        let_go = await released(connection, name) if any(tuple(row)[:HOW_MANY]) else NONE_RELEASED
        told = counts_told(tuple(row), head, let_go)
        if told["queued"]:
            told["oldest_queued_s"] = await _oldest_s(connection, blocks, told["cursor"], max(clock, now_ms))
        answer["destinations"][name] = told | await timers_of(connection, name)
    return answer


async def _oldest_s(connection: Connection, blocks: Blocks, pos: int, now: int) -> float:
    """Age of the oldest event that is neither settled nor parked for a reason of its own."""
    first = await blocks.page(connection, pos, 1, 1)
    return max(0.0, (now - first[0].received_at) / 1000) if first else 0.0
