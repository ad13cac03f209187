"""Who somebody is and where their events are: what the search box, the pages of people and groups, and the list of troubles ask."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from router.store.postgres.block_reads import Blocks
from router.store.postgres.database import Database
from router.store.postgres.log_backwards import newest
from router.store.postgres.queries.events_of import EventsOf
from router.store.postgres.queries.finding import by_trait, exact
from router.store.postgres.queries.lanes import lanes_of
from router.store.postgres.queries.members import members
from router.store.postgres.queries.profile import group_profile, profile
from router.store.postgres.queries.recent import recent


class PostgresLookups:
    """Implements `ports.Lookups`. Raises StoreError while the database is away."""

    def __init__(self, database: Database, blocks: Blocks, now_ms: Callable[[], int]) -> None:
        self._database, self._blocks, self._now_ms = database, blocks, now_ms

    async def profile(self, user_key: str) -> dict[str, Any]:
        """What the directory knows of a person."""
        return await self._database.ask(profile, self._blocks, user_key)

    async def lanes(self, user_keys: Sequence[str], destinations: Sequence[str]) -> dict[str, list[dict[str, Any]]]:
        """By destination the lanes of these users in which something is held, and what each waits for."""
        return await self._database.ask(lanes_of, self._blocks, user_keys, destinations)

    async def events_of(
        self, user_keys: Sequence[str], destinations: Sequence[str], before: int | None, limit: int
    ) -> dict[str, Any]:
        """The newest events of these users in front of a position, with their states. How far it looks back is bounded."""
        return await EventsOf(self._database, self._blocks, user_keys, destinations, before, limit).answer()

    async def group(self, group_id: str, destinations: Sequence[str]) -> dict[str, Any] | None:
        """What the directory knows of a group, and what waits for a trait of it; None where it is unknown."""
        return await self._database.ask(group_profile, self._blocks, group_id, destinations)

    async def members(self, group_id: str, after: str, limit: int) -> dict[str, Any]:
        """Who belongs to a group now, a page at a time. How many memberships it looks at is bounded."""
        return await self._database.ask(members, self._blocks, group_id, after, limit)

    async def exact(self, word: str) -> dict[str, Any]:
        """What has exactly this id: events, people, groups, a discarded call."""
        return await self._database.ask(exact, self._blocks, word)

    async def by_trait(self, word: str) -> dict[str, Any]:
        """People with this e-mail address, and groups of this name."""
        return await self._database.ask(by_trait, word)

    async def recent(self, destinations: Sequence[str]) -> dict[str, Any]:
        """What happened lately at each destination, and what was discarded today."""
        return await self._database.ask(recent, destinations, self._now_ms())

    async def newest_of_sources(self, most: int) -> list[tuple[str, int]]:
        """(source, instant in ms) of the newest events, oldest first."""
        return (await newest(self._database, most, lambda row: (row.source, row.received_at)))[::-1]
