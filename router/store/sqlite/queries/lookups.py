"""Who somebody is and where their events are: what the search box, the pages of people and groups, and the list of troubles ask."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from router.event import show_user_key
from router.store.sqlite.connection import Connection
from router.store.sqlite.queries.events_of import EventsOf
from router.store.sqlite.queries.finding import ByTrait, exact
from router.store.sqlite.queries.members import Members
from router.store.sqlite.queries.profile import group_profile, lanes_of, profile
from router.store.sqlite.queries.recent import newest_of_sources, recent
from router.store.sqlite.queries.snapshot import ask

T = TypeVar("T")


class Lookups:
    """Implements `ports.Lookups` through one read-only connection. What takes long is asked slice after slice: one long reading
    would keep the WAL from being reused."""

    def __init__(self, connection: Connection, now_ms: Callable[[], int]) -> None:
        self._connection, self._now_ms = connection, now_ms

    async def profile(self, user_key: str) -> dict[str, Any]:
        """What the directory knows of a person."""
        return await self._ask(profile, user_key)

    async def lanes(self, user_keys: Sequence[str], destinations: Sequence[str]) -> dict[str, list[dict[str, Any]]]:
        """By destination the lanes of these users in which something is held, and what each waits for."""
        return await self._ask(lanes_of, user_keys, destinations)

    async def events_of(
        self, user_keys: Sequence[str], destinations: Sequence[str], before: int | None, limit: int
    ) -> dict[str, Any]:
        """The newest events of these users in front of a position, with their states. How far it looks back is bounded."""
        search = EventsOf(user_keys, destinations, before, limit)
        await self._ask(search.begin)
        while not search.is_over:
            await self._ask(search.look_on)
        await self._ask(search.finish)
        return search.answer()

    async def group(self, group_id: str, destinations: Sequence[str]) -> dict[str, Any] | None:
        """What the directory knows of a group, and what waits for a trait of it; None where it is unknown."""
        return await self._ask(group_profile, group_id, destinations)

    async def members(self, group_id: str, after: str, limit: int) -> dict[str, Any]:
        """Who belongs to a group now, a page at a time. How many memberships it looks at is bounded."""
        search = Members(group_id, after, limit)
        while not search.is_over:
            await self._ask(search.look_on)
        return search.answer()

    async def exact(self, word: str) -> dict[str, Any]:
        """What has exactly this id: events, people, groups, a discarded call."""
        return await self._ask(exact, word)

    async def by_trait(self, word: str) -> dict[str, Any]:
        """People with this e-mail address, and groups of this name. How many it looks at is bounded."""
        people, groups = ByTrait("person", "user_key", "email", word), ByTrait("company", "group_id", "name", word)
        for search in (people, groups):
            while not search.is_over:
                await self._ask(search.look_on)
        return {
            "people": [show_user_key(key) for key, _ in people.found],
            "groups": [{"id": id, "name": name} for id, name in groups.found],
        }

    async def recent(self, destinations: Sequence[str]) -> dict[str, Any]:
        """What happened lately at each destination, and what was discarded today."""
        return await self._ask(recent, destinations, self._now_ms())

    async def newest_of_sources(self, most: int) -> list[tuple[str, int]]:
        """(source, instant in ms) of the newest events, oldest first."""
        return await self._ask(newest_of_sources, most)

    async def _ask(self, question: Callable[..., T], *args: object) -> T:
        return await ask(self._connection, question, *args)
