"""What operators ask of events, people and groups."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from router.event import Call
from router.store.rows import DeadLetterFilter, EventAsk, EventQuery, Waits


class Queries(Protocol):
    """What operators ask. Answers have the shapes of the admin API."""

    async def ledger(self, destinations: Sequence[str]) -> dict[str, Any]:
        """Counts; per destination the seven add up to what was accepted since it began."""
        ...

    async def message(self, message_id: str, source: str | None, destinations: Sequence[str]) -> dict[str, Any] | None:
        """The fate of a message at each destination; None when unknown."""
        ...

    async def events(
        self, which: EventQuery, destinations: Sequence[str], before: int | None, limit: int
    ) -> dict[str, Any]:
        """The newest events of this kind in front of a position, with their states. How far it looks back is bounded."""
        ...

    async def events_together(self, asks: Sequence[EventAsk], destinations: Sequence[str]) -> list[dict[str, Any]]:
        """The same for several kinds, in one go: none of them knows an event that came after the head of the first one."""
        ...

    async def position(self, message_id: str, source: str | None) -> int | None:
        """Where in the log the newest event with this message id stands or stood."""
        ...

    async def stored_call(self, message_id: str, source: str | None) -> Call | None:
        """The newest event with this message id, while its body is retained."""
        ...

    async def held(self, destination: str, user_key: str | None, after: str) -> dict[str, Any]:
        """Users whose events wait for a group, a page at a time."""
        ...

    async def waiting(self, destination: str) -> list[Waits]:
        """How much is held, by what it waits for."""
        ...

    async def dead(self, destination: str, which: DeadLetterFilter, after: int | None) -> dict[str, Any]:
        """Dead letters in order of position, a page at a time."""
        ...

    async def destinations(self) -> list[str]:
        """The names of all destinations that have a cursor."""
        ...


class Lookups(Protocol):
    """Who somebody is, where their events are, and what happened lately. Answers have the shapes of the admin API."""

    async def profile(self, user_key: str) -> dict[str, Any]:
        """What the directory knows of a person: `traits`, `joined_to`, `groups`, newest first."""
        ...

    async def lanes(self, user_keys: Sequence[str], destinations: Sequence[str]) -> dict[str, list[dict[str, Any]]]:
        """By destination the lanes of these users in which something is held, and what each waits for."""
        ...

    async def events_of(
        self, user_keys: Sequence[str], destinations: Sequence[str], before: int | None, limit: int
    ) -> dict[str, Any]:
        """The newest events of these users in front of a position, with their states. How far it looks back is bounded."""
        ...

    async def group(self, group_id: str, destinations: Sequence[str]) -> dict[str, Any] | None:
        """What the directory knows of a group, and what waits for a trait of it; None where it is unknown."""
        ...

    async def members(self, group_id: str, after: str, limit: int) -> dict[str, Any]:
        """Who belongs to a group now, a page at a time. How many memberships it looks at is bounded."""
        ...

    async def exact(self, word: str) -> dict[str, Any]:
        """What has exactly this id: `events`, `people`, `groups`, `discarded`; and `since`, the oldest event that is retained."""
        ...

    async def by_trait(self, word: str) -> dict[str, Any]:
        """People with this e-mail address, and groups of this name. How many it looks at is bounded."""
        ...

    async def recent(self, destinations: Sequence[str]) -> dict[str, Any]:
        """What happened lately at each destination, and what was discarded today."""
        ...

    async def newest_of_sources(self, most: int) -> list[tuple[str, int]]:
        """(source, instant in ms) of the newest events, oldest first."""
        ...
