"""What people ask of the store. Shapes as the admin API gives them.

ledger.py           counts, which add up
message.py          what became of a message
fates.py            states, reasons and attempts of events at destinations
waits.py            what events wait for
waiting_of.py       the events of a person that wait
pages.py            held users, dead letters, discards, former destinations
events.py           the search for events
event_match.py      whether an event is of the kind that a search asks for
groups_then.py      to which group users belonged when they sent something

lookups.py          people, groups, the search box, troubles
events_of.py        the events of a person
profile.py          what the directory knows of a person or a group
lanes.py            what the lanes of users wait for
members.py          who belongs to a group
calls.py            calls that told the directory something
finding.py          what a word from the search box may be
recent.py           what happened lately

reports.py          what came in, and what went out
failures.py         why events are dead or retrying
newest_calls.py     the newest calls, and the libraries that sent them
personal_data.py    what looks personal
samples.py          how much waits, for the plots
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from router.event import Call
from router.store.postgres.block_reads import Blocks
from router.store.postgres.database import Database
from router.store.postgres.queries import pages
from router.store.postgres.queries.events import Search
from router.store.postgres.queries.ledger import ledger
from router.store.postgres.queries.message import find, message, stored_call
from router.store.rows import DeadLetterFilter, EventAsk, EventQuery, Waits


class PostgresQueries:
    """Implements `ports.Queries`. Every answer is one consistent snapshot, but for `events`. Raises StoreError while the database is away."""

    def __init__(self, database: Database, blocks: Blocks, now_ms: Callable[[], int]) -> None:
        self._database, self._blocks, self._now_ms = database, blocks, now_ms

    async def ledger(self, destinations: Sequence[str]) -> dict[str, Any]:
        """Counts; per destination the seven add up to what was accepted since it began."""
        return await self._database.ask(ledger, self._blocks, destinations, self._now_ms())

    async def message(self, message_id: str, source: str | None, destinations: Sequence[str]) -> dict[str, Any] | None:
        """The fate of a message at each destination; None when unknown."""
        return await self._database.ask(message, self._blocks, message_id, source, destinations)

    async def events(
        self, which: EventQuery, destinations: Sequence[str], before: int | None, limit: int
    ) -> dict[str, Any]:
        """The newest events of this kind in front of a position, with their states. How far it looks back is bounded."""
        return await Search(self._database, self._blocks, which, destinations, before, limit).answer()

    async def events_together(self, asks: Sequence[EventAsk], destinations: Sequence[str]) -> list[dict[str, Any]]:
        """The same for several kinds, one after the other: none knows an event that came after the head of the first one."""
        found: list[dict[str, Any]] = []
        for which, before, limit in asks:
            ends = [end for end in (before, found[0]["head"] + 1 if found else None) if end is not None]
            found.append(await self.events(which, destinations, min(ends, default=None), limit))
        return [{**one, "head": found[0]["head"]} for one in found]

    async def position(self, message_id: str, source: str | None) -> int | None:
        """Where in the log the newest event with this message id stands or stood."""
        found = await self._database.ask(find, self._blocks, message_id, source)
        return found.pos if found is not None else None

    async def stored_call(self, message_id: str, source: str | None) -> Call | None:
        """The newest event with this message id, while its body is retained."""
        return await self._database.ask(stored_call, self._blocks, message_id, source)

    async def held(self, destination: str, user_key: str | None, after: str) -> dict[str, Any]:
        """Users whose events wait for a group, a page at a time."""
        return await self._database.ask(pages.held, self._blocks, destination, user_key, after)

    async def waiting(self, destination: str) -> list[Waits]:
        """How much is held, by what it waits for."""
        return await self._database.ask(pages.waiting, destination)

    async def dead(self, destination: str, which: DeadLetterFilter, after: int | None) -> dict[str, Any]:
        """Dead letters in order of position, a page at a time."""
        return await self._database.ask(pages.dead_letters, self._blocks, destination, which, after)

    async def destinations(self) -> list[str]:
        """The names of all destinations that have a unit."""
        return await self._database.ask(pages.destinations)
