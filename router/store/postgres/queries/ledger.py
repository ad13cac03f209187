"""The ledger: how many events each destination has brought to which end. The seven always add up to what was accepted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from router.store.fate_words import state_told
from router.store.postgres.block_reads import Blocks
from router.store.postgres.database import Connection
from router.store.postgres.queries.waits import released, timers_of


async def ledger(connection: Connection, blocks: Blocks, destinations: Sequence[str], now_ms: int) -> dict[str, Any]:
    """Counts of all that was accepted, and of each of these destinations that has a unit."""
    head, duplicates, discarded, clock = await connection.fetchrow(
        "SELECT pos, duplicates, discarded, clock FROM head WHERE part = 0"
    )
    answer: dict[str, Any] = {"accepted": head, "duplicates": duplicates, "discarded": discarded, "destinations": {}}
    for name in destinations:
        row = await connection.fetchrow(
            "SELECT start, pos, delivered, skipped, filtered, held, retrying, dead, dry_run, replayed, state,"
            " state_reason, state_since, state_until, state_detail FROM unit WHERE part = 0 AND destination = $1",
            name,
        )
        if row is None:
            continue
        start, pos, delivered, skipped, filtered, held, retrying, dead, dry_run, replayed, *state = row
        held -= min(held, await released(connection, name)) if held else 0
        queued = head - start - delivered - skipped - filtered - held - retrying - dead
        answer["destinations"][name] = {
            "delivered": delivered,
            "skipped": skipped,
            "filtered": filtered,
            "held": held,
            "retrying": retrying,
            "queued": queued,
            "dead": dead,
            "dry_run": dry_run,
            "replayed": replayed,
            "cursor": pos,
            "head": head,
            "oldest_queued_s": await _oldest_s(connection, blocks, pos, max(clock, now_ms)) if queued else 0,
            **state_told(*state),
            **await timers_of(connection, name),
        }
    return answer


async def _oldest_s(connection: Connection, blocks: Blocks, pos: int, now: int) -> float:
    """Age of the oldest event that is neither settled nor parked for a reason of its own."""
    first = await blocks.page(connection, pos, 1, 1)
    return max(0.0, (now - first[0].received_at) / 1000) if first else 0.0
