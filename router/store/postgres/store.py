"""The shared store: one database, and of it the connections of this process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeVar
from uuid import uuid4

import asyncpg

from router.clock import Clock
from router.errors import StartError
from router.store.postgres.append_queue import AppendQueue
from router.store.postgres.block_reads import Blocks
from router.store.postgres.claim_reads import PostgresDirectory
from router.store.postgres.claims import PostgresClaims
from router.store.postgres.cluster import PostgresCluster
from router.store.postgres.commands import PostgresCommands
from router.store.postgres.counters import PostgresCounters
from router.store.postgres.database import Connection, Database, Work, closed, connect
from router.store.postgres.database_time import DatabaseTime
from router.store.postgres.erasure import PostgresErasure
from router.store.postgres.event_log import PostgresEventLog
from router.store.postgres.head_watch import HeadWatch
from router.store.postgres.health import PostgresHealth, PostgresSizes
from router.store.postgres.housekeeping import Housekeeping
from router.store.postgres.install import check_settings, install
from router.store.postgres.known_people import KnownPeople
from router.store.postgres.node import Node, NodeSettings
from router.store.postgres.notices import PostgresNotices
from router.store.postgres.people import PostgresPeople
from router.store.postgres.queries import PostgresQueries
from router.store.postgres.queries.lookups import PostgresLookups
from router.store.postgres.queries.reports import PostgresInputReports, PostgresOutputReports
from router.store.postgres.regulation_rows import suppressed
from router.store.postgres.standby import Standby
from router.store.suppressions import Suppressions
from router.vocabulary import HEAD_REPAIRED

T = TypeVar("T")


class PostgresStore:
    """Implements `ports.Store`. Made by `open_postgres`, which owns its connections and its task."""

    repaired = ""
    upgraded = ""  #: of what schema it was

    def __init__(
        self,
        database: Database,
        queue: AppendQueue,
        housekeeping: Housekeeping,
        people: KnownPeople,
        node: Node | None,
    ) -> None:
        blocks = Blocks(people.forgotten)
        me = housekeeping.me

        def forget_what_was_read() -> None:
            queue.tail.clear()
            blocks.clear()

        def read_anew() -> None:
            blocks.clear()
            self.claims.codes.clear()

        def went_back() -> None:
            read_anew()
            if node is not None:
                node.lose_all()

        people.when_ended = forget_what_was_read
        database.when_new, queue.when_back = read_anew, went_back  # a new connection may lead to a former standby
        self.queue, self.housekeeping = queue, housekeeping
        self.node = node  #: None: nobody else uses the database
        self.log = PostgresEventLog(database, queue, blocks)
        self.claims = PostgresClaims(database, blocks, people, housekeeping, node)
        self.directory = PostgresDirectory(OfPeople(database))
        self.health = PostgresHealth(queue, housekeeping, node)
        now_ms = queue.clock.now_ms
        self.queries = PostgresQueries(database, blocks, now_ms)
        self.lookups = PostgresLookups(database, blocks, now_ms)
        self.input_reports = PostgresInputReports(database, blocks)
        self.output_reports = PostgresOutputReports(database, blocks)
        self.counters = PostgresCounters(database, blocks, queue.sources, now_ms)
        self.commands = PostgresCommands(database, me, None if node is None else node.settings.id)
        self.cluster = None if node is None else PostgresCluster(database, node)
        self.notices = PostgresNotices(database, me)
        self.sizes = PostgresSizes(database, queue)
        self.people = PostgresPeople(database, queue, people, me)
        self.erasure = PostgresErasure(database, queue, blocks, me, is_alone=node is None)


class OfPeople:
    """Reads in the way of people who ask: a slow question holds no delivery up, and is not repeated."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def read(self, work: Work[T], *args: Any) -> T:
        """Raises StoreError while the database is away."""
        return await self._database.ask(work, *args)


@asynccontextmanager
async def open_postgres(
    dsn: str,
    clock_from: Callable[[int], Clock],
    *,
    dedupe_window_s: float,
    retention_s: float = 7 * 86_400.0,
    needs_fsync: bool = True,
    wants_standby: bool = False,
    node: NodeSettings | None = None,
    time: DatabaseTime | None = None,
) -> AsyncIterator[tuple[PostgresStore, Clock]]:
    """Open the database and make its tables where there are none; leaving appends what is pending. `node`: which one of those that use it
    this process is; None: it is the only one. `time`: is kept by the database's clock. `wants_standby`: a database that names none is a problem.

    `clock_from` makes the clock from the stored high-water mark, so that router time never runs back over a restart.

    Raises:
        StartError: the database cannot be reached or used, or is one of a newer version.
    """
    time, standby = time or DatabaseTime(), Standby(is_wanted=wants_standby)
    try:
        mark, hash_key, version, suppressions, told = await _prepare(
            dsn, clock_from, time, standby, needs_fsync=needs_fsync
        )
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, ValueError) as error:
        raise StartError(f"the database of store.url cannot be used: {type(error).__name__}: {error}") from None
    clock = clock_from(mark)
    database = Database(dsn, clock)
    await database.open()
    window_ms = int(dedupe_window_s * 1000)
    people = KnownPeople(database, suppressions, version)
    queue = AppendQueue(database, clock, hash_key, window_ms, people)
    await queue.connect()
    running = asyncio.create_task(queue.run(), name="store-appends")
    try:
        async with _among_others(database, queue, people, time, node) as this:
            me = uuid4() if this is None else this.me
            housekeeping = Housekeeping(database, clock, me, int(retention_s * 1000), window_ms)
            housekeeping.standby = standby
            async with housekeeping.running():
                store = PostgresStore(database, queue, housekeeping, people, this)
                store.repaired, store.upgraded = told
                yield store, clock
    finally:
        queue.close()
        await running
        await database.close()


@asynccontextmanager
async def _among_others(
    database: Database, queue: AppendQueue, people: KnownPeople, time: DatabaseTime, settings: NodeSettings | None
) -> AsyncIterator[Node | None]:
    """Give signs of life, and see what others append."""
    if settings is None:
        yield None
        return
    clock = queue.clock
    node = Node(database, clock, time, settings)
    await node.join()
    watch = HeadWatch(database, queue, people, node.states, clock)
    watch.when_given_back = node.beat_soon
    await watch.look()
    tasks = [
        asyncio.create_task(node.run(), name="store-signs-of-life"),
        asyncio.create_task(watch.run(), name="store-head"),
    ]
    try:
        yield node
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        await node.leave()


async def _prepare(
    dsn: str, clock_from: Callable[[int], Clock], time: DatabaseTime, standby: Standby, *, needs_fsync: bool
) -> tuple[int, bytes, int, Suppressions, tuple[str, str]]:
    """The clock's high-water mark, the key of the hashes, the number of demands, who is suppressed, and in what it contradicted itself and of
    what schema it was, of a database that can be used."""
    connection: Connection = await connect(dsn)
    try:
        await time.look(connection)
        await standby.look(connection)
        await check_settings(connection, needs_fsync=needs_fsync)
        upgraded = await install(connection, clock_from(0).now_ms())
        behind = await connection.fetchval(
            "UPDATE head SET pos = last FROM (SELECT first + n - 1 AS last FROM block WHERE part = 0 ORDER BY first DESC LIMIT 1) newest"
            " WHERE part = 0 AND pos < last RETURNING true"
        )
        mark, key, version = await connection.fetchrow(
            "SELECT greatest(clock, (SELECT max(clock) FROM unit)), (SELECT value FROM meta WHERE key = 'hash_key'), people"
            " FROM head WHERE part = 0"
        )
        told = (HEAD_REPAIRED if behind else "", upgraded)
        return mark, key, version, Suppressions(*await suppressed(connection)), told
    finally:
        await closed(connection)
