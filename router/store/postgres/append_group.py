"""One group: its events packed, appended in one trip, told to the directory in the same transaction. The database waits for nobody: a
group whose answer does not come is left, and its clients are told to come again."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, NamedTuple

from router.errors import StoreAway
from router.event import Call, Discard
from router.store.blocks import pack, positions
from router.store.folding import fold
from router.store.keyed_hash import CallHasher
from router.store.pending import Append
from router.store.postgres import violation_rows
from router.store.postgres.database import Connection
from router.store.postgres.directory_view import LoadedDirectory
from router.store.postgres.rows_written import words
from router.store.rows import DirectoryUpdate

KEPT_DISCARDS = 10_000
APPEND = "SELECT * FROM append_1($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)"


class Head(NamedTuple):
    """Counters of the log, as committed."""

    pos: int
    duplicates: int
    discarded: int


class AsOf(NamedTuple):
    """What a process knows when it appends."""

    generation: int  #: of message ids, that is filled
    people: int  #: demands to forget or to suppress
    now_ms: int  #: router time
    window_ms: int  #: so long a message id is remembered


class Group:
    """What one transaction appends."""

    def __init__(self, appends: Sequence[Append], hashes_of: CallHasher) -> None:
        self.appends = appends
        self._calls = [call for append in appends for call in append.calls]
        self._facts = [facts for append in appends for facts in append.facts]
        self._discards = [discard for append in appends for discard in append.discards]
        self._is_judged = any(call.noted is not None for call in self._calls)
        hashes = hashes_of(self._calls)
        self._place: dict[int, int] = {}  #: by hash: its place in the block; a repeat has none of its own
        for hashed in hashes:
            self._place.setdefault(hashed, len(self._place))
        self._hashes = hashes
        first = dict(zip(reversed(hashes), reversed(self._calls), strict=True))
        self._packed = [first[hashed] for hashed in self._place]
        self._data = pack(self._packed) if self._packed else b""
        self.floor = self.at = 0  #: between which instants its events were received, in router time

    async def store(self, connection: Connection, as_of: AsOf, known: set[str]) -> tuple[list[int], Head]:
        """Append it. Returns a position for each event, 0 for a duplicate. `known`: sources that the database knows. Raises StoreAway where
        somebody has ended its wait for the standby: the database only warns of that, and one machine has it."""
        warnings: list[Any] = []

        def hear(_: Connection, message: Any) -> None:
            if message.severity_en == "WARNING":
                warnings.append(message)

        connection.add_log_listener(hear)
        try:
            stored = await self._store(connection, as_of, known)
        finally:
            connection.remove_log_listener(hear)
        if warnings:
            raise StoreAway
        return stored

    async def _store(self, connection: Connection, as_of: AsOf, known: set[str]) -> tuple[list[int], Head]:
        sources = {call.source for call in self._packed} - known
        has_facts = any(facts is not None for facts in self._facts)
        if not (has_facts or sources or self._discards or self._is_judged):
            return await self._append(connection, as_of, has_facts=False)
        async with connection.transaction():
            found, head = await self._append(connection, as_of, has_facts=has_facts)
            if has_facts:
                await self._tell(connection, found)
            if sources:
                await connection.execute(
                    "INSERT INTO source SELECT unnest($1::text[]) ON CONFLICT DO NOTHING", list(sources)
                )
            if self._discards:
                await _write_discards(connection, self._discards)
            if self._is_judged:
                await violation_rows.add(connection, zip(self._calls, found, strict=True))
        known |= sources
        return found, head

    async def _append(self, connection: Connection, as_of: AsOf, *, has_facts: bool) -> tuple[list[int], Head]:
        by_hash = sorted(self._place.items())
        newest = max((call.received_at for call in self._packed), default=0)
        first, refused, self.floor, self.at, *head = await connection.fetchrow(
            APPEND,
            as_of.generation,
            [hashed for hashed, _ in by_hash],
            [place for _, place in by_hash],
            len(self._calls) - len(self._packed),
            as_of.now_ms,
            newest,
            as_of.window_ms,
            has_facts,
            self._data,
            sum(discard.n for discard in self._discards),
            as_of.people,
        )
        packed = positions(len(self._packed), first, refused)
        seen: set[int] = set()
        found = []
        for hashed in self._hashes:
            found.append(0 if hashed in seen else packed[self._place[hashed]])
            seen.add(hashed)
        return found, Head(*head)

    async def _tell(self, connection: Connection, found: Sequence[int]) -> None:
        """Tell the directory what the new events say."""
        told: list[tuple[int, DirectoryUpdate]] = [
            (pos, facts) for pos, facts in zip(found, self._facts, strict=True) if pos and facts is not None
        ]
        if told:
            view = LoadedDirectory()
            await view.load(connection, [facts for _, facts in told])
            for pos, facts in told:
                fold(view, pos, facts)
            await view.store(connection)

    @property
    def calls(self) -> Sequence[Call]:
        """All of them, in order."""
        return self._calls


async def _write_discards(connection: Connection, discards: Sequence[Discard]) -> None:
    columns = [
        [getattr(discard, name) for discard in discards]
        for name in ("at", "source", "code", "message", "message_id", "type", "excerpt")
    ]
    texts = [[words(text) for text in column] for column in columns[1:]]
    arrays = ", ".join(("$1::bigint[]", *(f"${n}::text[]" for n in range(2, 8))))
    await connection.execute(
        f"INSERT INTO discard (at, source, code, message, message_id, type, excerpt) SELECT * FROM unnest({arrays})",
        columns[0],
        *texts,
    )
    counts: dict[tuple[str, str], int] = {}
    for discard in discards:
        counts[discard.source, discard.code] = counts.get((discard.source, discard.code), 0) + discard.n
    keys = sorted(counts)  # in one order everywhere: two nodes count for the same source
    await connection.execute(
        "INSERT INTO discard_count AS c SELECT * FROM unnest($1::text[], $2::text[], $3::bigint[])"
        " ON CONFLICT (source, code) DO UPDATE SET n = c.n + excluded.n",
        [source for source, _ in keys],
        [code for _, code in keys],
        [counts[key] for key in keys],
    )
    await connection.execute(
        "DELETE FROM discard WHERE id <= (SELECT max(id) FROM discard) - $1::bigint", KEPT_DISCARDS
    )


async def see_through(connection: Connection, work: asyncio.Task[tuple[list[int], Head]], seconds: float) -> None:
    """Wait for a write so long; then leave it and its connection. It is never cancelled: the server goes on, and nothing overtakes it."""
    work.add_done_callback(lambda done: done.cancelled() or done.exception())  # perhaps nobody waits for it any more
    await asyncio.wait({work}, timeout=seconds)
    if not work.done():
        connection.terminate()
        await asyncio.wait({work}, timeout=seconds)
