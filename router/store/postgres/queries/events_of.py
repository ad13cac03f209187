"""The newest events of a person: under their userId, and under the anonymousIds that were joined to it.

The log has no index of people, so this walks back from the newest event and stops after a bounded number; the answer says how far it
came. Events that wait at a destination are found by their rows, however old they are.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from router.clock import to_iso
from router.store import search_bounds
from router.store.event_words import NOTHING_LEFT, event_told, read_words
from router.store.postgres.block_reads import Blocks
from router.store.postgres.database import Connection, Database
from router.store.postgres.log_backwards import look_back
from router.store.postgres.queries.fates import fates_of
from router.store.postgres.queries.groups_then import groups_then
from router.store.postgres.queries.waiting_of import waiting_of
from router.store.postgres.row_reads import accepted_at
from router.store.rows import LogRow


class EventsOf:
    """One search, a slice at a time."""

    def __init__(
        self,
        database: Database,
        blocks: Blocks,
        keys: Sequence[str],
        destinations: Sequence[str],
        before: int | None,
        limit: int,
    ) -> None:
        """`destinations`: those whose states are told."""
        self._database, self._blocks = database, blocks
        self._keys, self._destinations, self._before, self._limit = frozenset(keys), destinations, before, limit
        self._rows: dict[int, LogRow] = {}
        self._waiting: list[int] = []
        self._at = self._low = self._looked_at = 0

    async def answer(self) -> dict[str, Any]:
        """Newest first. `next`: where there may be more, to be asked for as `before`. `searched_to`: the instant down to which it
        has looked; `gave_up`: the log goes further back."""
        await self._database.ask(self._begin)
        has_looked = self._at > self._low + 1
        while (
            self._at > self._low + 1
            and len(self._rows) < self._limit
            and self._looked_at < search_bounds.LOOK_BACK
        ):  # fmt: skip
            await self._look_on()
        oldest = await self._database.ask(self._blocks.page, self._at - 1, 1, 1) if has_looked else []
        items = await self._database.ask(self._told)
        more = self._at > self._low + 1
        return {
            "items": items,
            "next": self._at if more else None,
            "searched_to": to_iso(oldest[0].received_at) if oldest else None,
            "gave_up": more and len(items) < self._limit,
        }

    async def _begin(self, connection: Connection) -> None:
        """Where it starts, where the log ends, and what waits."""
        head, first = await connection.fetchrow(
            "SELECT pos, coalesce((SELECT min(first) FROM block WHERE part = 0), 1) FROM head WHERE part = 0"
        )
        self._at = head + 1 if self._before is None else min(self._before, head + 1)
        self._low = first - 1
        self._waiting = await waiting_of(connection, list(self._keys), self._destinations, 0, self._at, self._limit)

    async def _look_on(self) -> None:
        """Look at the next slice."""
        room = self._limit - len(self._rows)
        part = await look_back(
            self._database, self._low, self._at, lambda row: row.user_key in self._keys, search_bounds.SLICE, room
        )
        self._rows |= {row.pos: row for row in part.rows}
        self._looked_at += self._at - 1 - part.low
        self._at = part.low + 1

    async def _told(self, connection: Connection) -> list[dict[str, Any]]:
        """With what waits and is older than what was looked at, and the state of each."""
        older = [pos for pos in self._waiting if pos not in self._rows]
        while older and (room := self._limit - len(self._rows)) > 0:
            waiting = await accepted_at(connection, self._blocks, older[:room])
            self._rows |= {pos: row for pos, row in waiting.items() if row.user_key in self._keys}
            older = older[room:]
        rows = [self._rows[pos] for pos in sorted(self._rows, reverse=True)]
        fates = await fates_of(connection, [(place, row.pos) for place in self._destinations for row in rows])
        words = {row.pos: read_words(row.body or NOTHING_LEFT) for row in rows}
        thens = await groups_then(connection, [(row.user_key, row.pos) for row in rows if not words[row.pos][1]])
        told = []
        for row in rows:
            name, group_id = words[row.pos]
            known = {place: fate for place in self._destinations if (fate := fates.get((place, row.pos)))}
            told.append(event_told(row, name, group_id or thens.get((row.user_key, row.pos)), known))
        return told
