"""Calls that told the directory something, as they are named beside what they told."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

import msgspec

from router.clock import to_iso
from router.store.postgres.block_reads import Blocks
from router.store.postgres.database import Connection
from router.store.postgres.row_reads import accepted_at

UNKNOWN = {"message_id": None, "source": None, "since": None}


async def calls_at(connection: Connection, blocks: Blocks, positions: Collection[int]) -> dict[int, dict[str, Any]]:
    """The call at each of these positions: message id, source, and `since`, the instant of it; None where nothing is kept of it."""
    rows = await accepted_at(connection, blocks, positions)
    told = {
        pos: {"message_id": row.message_id or None, "source": row.source, "since": to_iso(row.received_at)}
        for pos, row in rows.items()
    }
    return {pos: told.get(pos, UNKNOWN) for pos in positions}


async def names_of(connection: Connection, group_ids: Iterable[str]) -> dict[str, str | None]:
    """The name of each group, where a call has told it."""
    wanted = set(group_ids)
    sql = "SELECT group_id, traits FROM company WHERE part = 0 AND group_id = ANY($1::text[])"
    rows = await connection.fetch(sql, list(wanted)) if wanted else []
    found: dict[str, str | None] = dict.fromkeys(wanted)
    for group_id, traits in rows:
        name = msgspec.json.decode(traits).get("name")
        found[group_id] = name if isinstance(name, str) and name.strip() else None
    return found
