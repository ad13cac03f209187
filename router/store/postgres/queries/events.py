"""The newest events of a kind: who sent what, and what became of it.

The log has no index but its position. So a search walks back from the newest event, and stops after a bounded number of events; its
answer says how far it came and where to go on. Events that wait at a destination, and dead letters, are found by their rows, however old
they are.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from router.clock import to_iso
from router.store import search_bounds
from router.store.event_words import event_told, read_words
from router.store.fate_words import Fate, is_in, states_told
from router.store.postgres.block_reads import Blocks, last_before
from router.store.postgres.database import Connection, Database
from router.store.postgres.directory_reads import joined
from router.store.postgres.log_backwards import Part, look_back
from router.store.postgres.queries.event_match import Match
from router.store.postgres.queries.fates import fates_of
from router.store.postgres.queries.groups_then import ever_in, groups_then
from router.store.postgres.queries.waiting_of import waiting_of
from router.store.postgres.row_reads import accepted_at
from router.store.rows import EventQuery, LogRow

ROWS_OF = {"held": "parked", "retrying": "parked", "dead": "dead"}
"""States of which every event has a row at its destination, and the table."""
ROWS_AT_ONCE = 100
"""Of these rows, whose events may stand in as many blocks."""

ROWS = "SELECT d.name, x.pos FROM unnest($1::text[]) AS d (name) CROSS JOIN LATERAL (SELECT pos FROM ({rows}) rows ORDER BY pos DESC LIMIT $4) x ORDER BY x.pos DESC"
OWN = "(SELECT pos FROM {table} WHERE part = 0 AND destination = d.name AND pos > $2 AND pos < $3 ORDER BY pos DESC LIMIT $4)"
AT_PLACE = {
    "dead": OWN.format(table="dead"),
    "parked": f"{OWN.format(table='parked')} UNION ALL (SELECT origin FROM parked WHERE part = 0 AND destination = d.name"
    " AND origin > $2 AND origin < $3 AND origin <> 0 ORDER BY origin DESC LIMIT $4)",
}
"""A second sending stands for its event. The last condition is that of the index."""
ANY_LIMIT = 1 << 62


class Search:
    """One search, a slice at a time."""

    def __init__(
        self,
        database: Database,
        blocks: Blocks,
        which: EventQuery,
        destinations: Sequence[str],
        before: int | None,
        limit: int,
    ) -> None:
        """`destinations`: those whose states are shown, in this order."""
        self._database, self._blocks = database, blocks
        self._which, self._destinations, self._before, self._limit = which, destinations, before, limit
        self._table = ROWS_OF.get(which.state or "")
        self._match = Match(which, ())
        self._waiting: list[int] | None = (
            None  #: where the rows of a person are asked for: their positions, newest first
        )
        self._slice, self._look_back = search_bounds.SLICE, search_bounds.LOOK_BACK
        if which.asks_states:
            self._slice, self._look_back = search_bounds.SLICE_WITH_STATES, search_bounds.LOOK_BACK_WITH_STATES
        self._count = self._head = 0
        self._found: list[dict[str, Any]] = []
        self._at = self._low = self._looked_at = 0

    async def answer(self) -> dict[str, Any]:
        """What it finds, newest first; `next` where there may be more, to be asked for as `before`. `searched_to` is the instant
        down to which it has looked, where it gave up before it found enough. `head`: the newest position. `count`: how many there
        are, where they were counted only."""
        await self._database.ask(self._begin)
        while self._at > self._low + 1 and len(self._found) < self._limit and self._looked_at < self._look_back:
            await self._look_on()
        more = self._at > self._low + 1
        gave_up = more and len(self._found) < self._limit
        oldest = await self._database.ask(self._blocks.page, self._at - 1, 1, 1) if gave_up else []
        return {
            "items": self._found,
            "next": self._at if more else None,
            "searched_to": to_iso(oldest[0].received_at) if oldest else None,
            "head": self._head,
            **({"count": self._count} if self._which.every == 0 else {}),
        }

    async def _begin(self, connection: Connection) -> None:
        """Where it starts, and where the log or the time asked for ends; and under which keys a person has sent."""
        which = self._which
        keys: tuple[str, ...] = ()
        if which.user_key is not None:
            keys = (which.user_key, *(await joined(connection, [which.user_key]))[which.user_key])
            self._match = Match(which, keys)
        self._head, first = await connection.fetchrow(
            "SELECT pos, coalesce((SELECT min(first) FROM block WHERE part = 0), 1) FROM head WHERE part = 0"
        )
        self._at = self._head + 1 if self._before is None else min(self._before, self._head + 1)
        self._low = max(which.after, 0 if self._table else first - 1)
        if which.since and not self._table:
            self._low = max(self._low, await last_before(connection, self._blocks, which.since))
        if keys and self._table == "parked" and not which.at:
            most = self._look_back + 1
            self._waiting = await waiting_of(connection, keys, self._places(), self._low, self._at, most)

    async def _look_on(self) -> None:
        """Look at the next slice."""
        if self._table or self._which.at:
            part = await self._database.ask(self._by_position)
            self._looked_at += min(self._slice, ROWS_AT_ONCE)
        else:
            part = await look_back(
                self._database, self._low, self._at, self._match.may_be, self._slice, self._most_wanted()
            )
            self._looked_at += self._at - 1 - part.low
        room = ANY_LIMIT if self._which.every == 0 else self._limit - len(self._found)
        found = await self._database.ask(self._judged, part.rows, room) if part.rows else []
        self._at = found[-1]["position"] if len(found) == room else part.low + 1
        if self._which.every == 0:
            self._count += len(found)
        else:
            self._found += found

    def _most_wanted(self) -> int:
        """Where every event that may be of the kind is, no more are needed than have room."""
        if self._which.every == 0 or self._which.asks_states or self._which.group_id is not None:
            return ANY_LIMIT
        return self._limit - len(self._found)

    def _places(self) -> list[str]:
        """The destinations of which one must have the event in the state that is asked for."""
        return [self._which.destination] if self._which.destination else list(self._destinations)

    async def _by_position(self, connection: Connection) -> Part:
        """The events of the next rows, or at the positions that are asked for."""
        low, positions = self._low, set(self._which.at)
        if self._waiting is not None:
            left = [pos for pos in self._waiting if pos < self._at]
            most = min(self._slice, ROWS_AT_ONCE)
            low = left[most] if len(left) > most else low
            positions = set(left[:most])
        elif self._table:
            low, there = await self._of_table(connection)
            positions = there & positions if self._which.at else there
        events = await accepted_at(connection, self._blocks, [pos for pos in positions if low < pos < self._at])
        kind = [events[pos] for pos in sorted(events, reverse=True) if self._match.may_be(events[pos])]
        return Part([row for row in kind if row.received_at >= self._which.since], low)

    async def _of_table(self, connection: Connection) -> tuple[int, set[int]]:
        """Where the slice ends, and the positions of the rows in it."""
        most = ANY_LIMIT if self._which.at else min(self._slice, ROWS_AT_ONCE)
        assert self._table is not None
        sql = ROWS.format(rows=AT_PLACE[self._table])
        rows = await connection.fetch(sql, self._places(), self._low, self._at, most + 1)
        of_place: dict[str, list[int]] = {}
        for place, pos in rows:
            of_place.setdefault(place, []).append(pos)
        low = max([self._low, *(found[most] for found in of_place.values() if len(found) > most)])
        return low, {pos for found in of_place.values() for pos in found}

    async def _judged(self, connection: Connection, rows: list[LogRow], room: int) -> list[dict[str, Any]]:
        """These events as they are shown, but for those that are not of the kind after all; so many at most."""
        which = self._which
        if which.group_id is not None:
            rows = await self._of_group(connection, which.group_id, rows, room)
        if which.asks_states:
            fates = await fates_of(connection, [(place, row.pos) for place in self._places() for row in rows])
            rows = [row for row in rows if self._has_state(fates, row.pos)]
        rows = rows[:room]
        if which.every == 0:
            return [{} for _ in rows]
        fresh = [row for row in rows if row.pos not in which.known]
        told = {one["position"]: one for one in await self._told(connection, fresh)} if fresh else {}
        return [told.get(row.pos) or {"position": row.pos} for row in rows]

    async def _told(self, connection: Connection, rows: list[LogRow]) -> list[dict[str, Any]]:
        """These events as they are shown."""
        fates = await fates_of(connection, [(place, row.pos) for place in self._destinations for row in rows])
        words = {row.pos: read_words(self._match.body_of(row)) for row in rows}
        thens = await groups_then(connection, [(row.user_key, row.pos) for row in rows if not words[row.pos][1]])
        return [
            event_told(
                row,
                words[row.pos][0],
                words[row.pos][1] or thens.get((row.user_key, row.pos)),
                {place: states_told(fate) for place in self._destinations if (fate := fates.get((place, row.pos)))},
            )
            for row in rows
        ]

    async def _of_group(self, connection: Connection, group_id: str, rows: list[LogRow], room: int) -> list[LogRow]:
        """Those of the group that is asked for: by their own word, else by that of their user at the time."""
        members = await ever_in(connection, group_id, {row.user_key for row in rows})
        thens = await groups_then(connection, [(row.user_key, row.pos) for row in rows if row.user_key in members])
        most = ANY_LIMIT if self._which.asks_states else room
        found: list[LogRow] = []
        for row in rows:
            if self._match.is_of_group(row, thens.get((row.user_key, row.pos))):
                found.append(row)
                if len(found) == most:
                    break
        return found

    def _has_state(self, fates: dict[tuple[str, int], Fate], pos: int) -> bool:
        """Whether it has the state and the reason that are asked for at one of the destinations."""
        which = self._which
        return any(
            is_in(fate, which.state, which.reason) for place in self._places() if (fate := fates.get((place, pos)))
        )
