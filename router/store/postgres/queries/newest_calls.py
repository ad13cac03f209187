"""The newest calls of the log with what became of them at a destination, and which libraries sent those of a source."""

from __future__ import annotations

from typing import Any

from router.event import Call
from router.in_thread import in_thread
from router.store.library_counts import libraries_told
from router.store.postgres.database import Database
from router.store.postgres.log_backwards import newest
from router.store.postgres.queries.fates import fates_of


async def newest_calls(database: Database, destination: str, most: int) -> list[tuple[Call, str, str]]:
    """So many calls, newest first, each with its state and reason at a destination. Not those from before it began,
    nor those of which a forgetting left nothing."""
    rows = [row for row in await newest(database, most, lambda row: row) if row.user_key]
    fates = await database.ask(fates_of, [(destination, row.pos) for row in rows])
    return [
        (
            Call(row.source, row.type, row.message_id, row.user_key, row.received_at, row.body),
            fate["state"],
            fate["reason"],
        )
        for row in rows
        if (fate := fates.get((destination, row.pos)))
    ]


async def clients(database: Database, source: str, most: int) -> dict[str, Any]:
    """Which libraries sent the newest events of a source, among so many of all sources."""
    rows = await newest(database, most, lambda row: (row.source, row.received_at, row.body))
    return await in_thread(libraries_told, rows, source)
