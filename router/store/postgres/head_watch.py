"""Sees what other nodes append, which destinations they give back, and what shards of a destination were told. What this one appends it knows at
once."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Mapping
from typing import NamedTuple

import asyncpg

from router.clock import Clock
from router.errors import StoreError
from router.store.postgres.append_group import Head
from router.store.postgres.append_queue import AppendQueue
from router.store.postgres.database import Connection, Database
from router.store.postgres.known_people import KnownPeople
from router.store.rows import Status
from router.store.shard_states import ShardStates

MOVING_S, RESTING_S = 0.02, 0.2
"""Between two looks: while the head has moved in the last second, and else."""
LATELY_S = 1.0
LOOK = """
SELECT pos, duplicates, discarded, people,
  ARRAY(SELECT destination || ' ' || shard || ' ' || epoch FROM unit WHERE part = 0 AND owner IS NULL),
  (SELECT jsonb_agg(jsonb_build_array(destination, shard, jsonb_build_array(state, state_reason, state_since, state_until, state_detail)))
    FROM unit WHERE part = 0 AND destination IN
      (SELECT destination FROM unit WHERE part = 0 GROUP BY destination HAVING count(*) > 1 AND bool_or(state <> 'running')))
FROM head WHERE part = 0
"""
States = Mapping[str, Mapping[int, Status]]


class HeadWatch:
    """Its task is owned by the store."""

    def __init__(
        self, database: Database, queue: AppendQueue, people: KnownPeople, states: ShardStates, clock: Clock
    ) -> None:
        self._database, self._queue, self._people, self._clock = database, queue, people, clock
        self._states = states
        self._moved_at = self._looked_at = clock.monotonic()
        self.when_given_back: Callable[[], None] = lambda: None  #: a destination has no owner any more
        self._free: frozenset[str] = frozenset()  #: those that had none at the last look

    async def run(self) -> None:
        """Look again and again, until cancelled."""
        while True:
            is_moving = self._clock.monotonic() - self._moved_at < LATELY_S
            await self._clock.sleep(MOVING_S if is_moving else RESTING_S)
            try:
                await self.look()
            except (StoreError, asyncpg.PostgresError):  # told of by whoever writes
                continue

    async def look(self) -> None:
        """Take over what others have appended, whom others were told to forget or to suppress, and how shards are. An append of this node that is
        on its way tells of what was appended by itself."""
        queue, before, known, now = self._queue, self._queue.written.n, self._queue.head, self._clock.monotonic()
        if queue.writing_since is not None and now - self._looked_at < RESTING_S:
            return
        self._looked_at = now
        head, people, free, states = await self._database.read(lambda: None, _look)
        is_new, self._free = not free <= self._free, free
        if is_new:
            self.when_given_back()
        self._states.told(states)
        if people != self._people.version:
            await self._people.refresh()
        if queue.writing_since is None and queue.written.n == before and queue.head is known and head.pos != known.pos:
            self._moved_at = self._clock.monotonic()
            queue.follow(head)


class _Seen(NamedTuple):
    """What a look finds."""

    head: Head
    people: int
    free: frozenset[str]
    states: States


async def _look(connection: Connection) -> _Seen:
    *head, people, free, found = await connection.fetchrow(LOOK)
    states: defaultdict[str, dict[int, Status]] = defaultdict(dict)
    for destination, shard, status in json.loads(found) if found else ():
        states[destination][shard] = Status(*status)
    return _Seen(Head(*head), people, frozenset(free), states)
