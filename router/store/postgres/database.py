"""Connections to the database, and what a fault of the database says of the work that met it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import asyncpg

from router.clock import Clock
from router.errors import StoreAway, StoreBusy, StoreClosed, StoreError, StoreFull
from router.store.postgres.sockets import end_when_silent

T = TypeVar("T")
Connection = Any
"""An asyncpg connection; the library has no types."""
Work = Callable[..., Awaitable[T]]

SETTINGS = {
    "application_name": "segment-router",
    "idle_in_transaction_session_timeout": "2000",
    "lock_timeout": "4000",
    "statement_timeout": "30000",
    "tcp_keepalives_idle": "5",
    "tcp_user_timeout": "8000",
    "jit": "off",
}
"""Of every connection. The first one is a must: who froze with the head row in hand would stop every other node's appends for ever."""
WORKERS, QUESTIONS = (2, 6), (0, 2)
"""Connections of destinations, and of people who ask: at least, at most."""
POOLED = "pgbouncer=true"
"""In the query of an address: a PgBouncer in transaction mode is in between."""
AWAY_PAUSE_S = 0.2
CLOSE_S = 5.0
CONNECT_S = 5.0

GONE = (
    OSError,
    asyncpg.PostgresConnectionError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.CannotConnectNowError,
    asyncpg.TooManyConnectionsError,
    asyncpg.IdleInTransactionSessionTimeoutError,
    asyncpg.ReadOnlySQLTransactionError,
    asyncpg.InternalClientError,  # what a connection says that is cut between two messages
)
STALE_GENERATION, STALE_PEOPLE = "SR001", "SR003"


def is_away(error: BaseException) -> bool:
    """Whether the connection is at fault: what was asked may have been done or not."""
    if isinstance(error, GONE):
        return True
    return isinstance(error, asyncpg.InterfaceError) and not isinstance(error, ValueError)


def is_in_the_way(error: BaseException) -> bool:
    """Whether somebody else held a lock for too long: nothing of it was done."""
    return isinstance(error, asyncpg.LockNotAvailableError | asyncpg.DeadlockDetectedError)


def is_data(error: BaseException) -> bool:
    """Whether a value is at fault, and nothing else."""
    if isinstance(error, asyncpg.PostgresError):
        return (error.sqlstate or "")[:2] in ("22", "23")
    return isinstance(error, ValueError | TypeError | AttributeError | OverflowError)


def refusal(error: BaseException) -> StoreError:
    """What whoever asked is told: nothing of it is acknowledged."""
    if isinstance(error, StoreError):
        return error
    if is_away(error):
        return StoreAway()
    if isinstance(error, asyncpg.DiskFullError):
        return StoreFull()
    if isinstance(error, asyncpg.LockNotAvailableError | asyncpg.QueryCanceledError):
        return StoreBusy("the database is busy: a lock was not to be had in time")
    return StoreError(f"the database refuses: {type(error).__name__}: {error}")


class Database:
    """The connections of one process. Opened and closed by its owner."""

    begun = ended = 0  #: calls of `worker`
    when_new: Callable[[], None] = staticmethod(lambda: None)  #: called when a pool has a new connection

    def __init__(self, dsn: str, clock: Clock) -> None:
        self._dsn, self._clock = dsn, clock
        self._workers: Any = None
        self._questions: Any = None
        self._is_closed = False
        self._left: set[asyncio.Future[Any]] = set()  #: writes that go on though nobody waits for them

    async def open(self) -> None:
        """Raises OSError, asyncpg.PostgresError."""
        self._workers, self._questions = [
            await asyncpg.create_pool(
                **reached(self._dsn), min_size=least, max_size=most, init=self._begin, reset=_as_it_is
            )
            for least, most in (WORKERS, QUESTIONS)
        ]

    async def _begin(self, connection: Connection) -> None:
        end_when_silent(connection)
        self.when_new()

    async def close(self) -> None:
        """Wait a moment for what is under way."""
        self._is_closed = True
        if self._left:
            await asyncio.wait(self._left, timeout=CLOSE_S)
        for pool in (self._workers, self._questions):
            if pool is None:
                continue
            try:
                await asyncio.wait_for(pool.close(), CLOSE_S)
            except TimeoutError:
                pool.terminate()

    async def connect(self, **settings: str) -> Connection:
        """A connection of one's own. Raises OSError, asyncpg.PostgresError."""
        return await connect(self._dsn, **settings)

    async def ask(self, question: Work[T], *args: Any) -> T:
        """Call `question(connection, *args)` in one consistent snapshot. A connection that is cut is replaced once: the database may have
        ended it while this process was frozen. Raises StoreError where the database is away."""
        try:
            try:
                return await self._ask(question, *args)
            except Exception as error:
                if not is_away(error):
                    raise
            return await self._ask(question, *args)
        except Exception as error:
            raise refusal(error) from error

    async def _ask(self, question: Work[T], *args: Any) -> T:
        async with self._questions.acquire(timeout=CONNECT_S) as connection, snapshot(connection):
            return await question(connection, *args)

    async def write(self, work: Work[T], *args: Any) -> T:
        """Call `work(connection, *args)` in one transaction, which goes on where whoever waits is cancelled. Raises StoreError where the
        database is away: it may be stored then or not."""
        return await self.see_through(self._write(work, *args))

    async def _write(self, work: Work[T], *args: Any) -> T:
        try:
            async with self.worker() as connection, connection.transaction():
                return await work(connection, *args)
        except Exception as error:
            raise refusal(error) from error

    async def read(self, until: Callable[[], None], work: Work[T], *args: Any) -> T:
        """Call `work(connection, *args)`; while the database is away or somebody is in the way, again and again. `until` raises once nobody
        wants it any more."""
        while True:
            try:
                async with self.worker() as connection:
                    return await work(connection, *args)
            except Exception as error:
                if not (is_away(error) or is_in_the_way(error)):
                    raise
            await self.wait(until)

    async def wait(self, until: Callable[[], None]) -> None:
        """A moment, for a database that is away."""
        until()
        await self._clock.sleep(AWAY_PAUSE_S)

    @asynccontextmanager
    async def worker(self) -> AsyncIterator[Connection]:
        """A connection of destinations."""
        if self._is_closed:
            raise StoreClosed
        self.begun += 1
        try:
            async with self._workers.acquire() as connection:
                try:
                    yield connection
                except Exception as error:
                    if is_away(error):
                        connection.terminate()  # it may be in the middle of something: nobody gets it again
                    raise
        finally:
            self.ended += 1

    async def see_through(self, write: Coroutine[Any, Any, T]) -> T:
        """Await a write. It goes on where whoever waits is cancelled: a cancelled statement would end its wait for the standby, and
        leave a commit that one machine has."""
        task = asyncio.ensure_future(write)
        self._left.add(task)
        task.add_done_callback(self._forget)
        return await asyncio.shield(task)

    def _forget(self, task: asyncio.Future[Any]) -> None:
        self._left.discard(task)
        if not task.cancelled():
            task.exception()  # it was told to whoever waited, if anybody did


async def connect(dsn: str, **settings: str) -> Connection:
    """A connection with the settings of all, and these. Raises OSError, ValueError, asyncpg.PostgresError, asyncpg.InterfaceError."""
    connection = await asyncpg.connect(**reached(dsn, **settings))
    end_when_silent(connection)
    return connection


def reached(dsn: str, **settings: str) -> dict[str, Any]:
    """How asyncpg is told to connect. With `pgbouncer=true` in the address the next transaction may meet another connection of the server: so no
    statement is prepared for it, and the settings are those of the database's user, since PgBouncer refuses to take any."""
    place, _, query = dsn.partition("?")
    pairs = query.split("&")
    how: dict[str, Any] = {"dsn": dsn, "timeout": CONNECT_S, "server_settings": {**SETTINGS, **settings}}
    if POOLED in pairs:
        left = "&".join(pair for pair in pairs if pair != POOLED)
        how |= {"dsn": f"{place}?{left}" if left else place, "statement_cache_size": 0}
        how["server_settings"] = {"application_name": how["server_settings"]["application_name"]}
    return how


@asynccontextmanager
async def snapshot(connection: Connection) -> AsyncIterator[None]:
    """What is read in it is of one instant."""
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        yield


async def _as_it_is(connection: Connection) -> None:
    """Nothing is set on a connection, so there is nothing to set back before somebody else has it."""


async def closed(connection: Connection) -> None:
    """Close a connection, whatever has become of it."""
    with contextlib.suppress(Exception):
        await connection.close(timeout=CLOSE_S)
