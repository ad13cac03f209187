"""A primary and its standby on this machine. After a failover the former primary is made anew, as the standby of the new one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import asyncpg

from tests.cluster.wire import Wire
from tests.flow.harness import eventually
from tests.postgres_server import KEYLESS, Server, installed

STANDBY = "standby"
WAITS_FOR = "synchronous_standby_names"
STREAMS = f"SELECT true FROM pg_stat_replication WHERE application_name = '{STANDBY}' AND state = 'streaming'"


class Pair:
    """`wire`: the way of the standby to the primary. `is_synchronous`: the primary acknowledges what the standby has."""

    wire: Wire

    def __init__(self, primary: Server, standby: Server, *, is_synchronous: bool) -> None:
        self.primary, self.standby, self.is_synchronous = primary, standby, is_synchronous
        self._stack = AsyncExitStack()

    async def dsn(self) -> str:
        """The address of a new database, at whichever of the two may be written to."""
        hosts = f"127.0.0.1:{self.primary.port},127.0.0.1:{self.standby.port}"
        return f"postgresql://{KEYLESS}@{hosts}/{await self.primary.database()}?target_session_attrs=read-write"

    async def join(self) -> None:
        """Make the standby anew."""
        await self._stack.aclose()
        self.wire = await self._stack.enter_async_context(Wire(self.primary.port))
        await asyncio.to_thread(self.standby.copy, self.wire.port, STANDBY)
        self.standby.start()
        await self.standby.ready()
        await eventually(self._streams, what="the standby follows")
        if self.is_synchronous:
            await self._wait_for(self.primary, f"ANY 1 ({STANDBY})")

    async def fail_over(self) -> None:
        """The primary crashes, and the standby takes its place. It waits for nobody until there is a standby again."""
        self.primary.stop()
        await self._wait_for(self.standby, "")
        await self.standby.run("SELECT pg_promote()")
        self.primary, self.standby = self.standby, self.primary

    async def leave(self) -> None:
        """End the wire."""
        await self._stack.aclose()

    async def _streams(self) -> bool:
        connection = await asyncpg.connect(self.primary.dsn("postgres"))
        try:
            return bool(await connection.fetchval(STREAMS))
        finally:
            await connection.close()

    @staticmethod
    async def _wait_for(server: Server, names: str) -> None:
        await server.run(f"ALTER SYSTEM SET {WAITS_FOR} = '{names}'")
        await server.run("SELECT pg_reload_conf()")


@asynccontextmanager
async def pair(*, is_synchronous: bool) -> AsyncIterator[Pair]:
    """Both, while the context is open."""
    with installed(fsync=True) as first, installed(fsync=True) as second:
        first.make()
        first.start()
        await first.let_in(KEYLESS)
        both = Pair(first, second, is_synchronous=is_synchronous)
        try:
            await both.join()
            yield both
        finally:
            await both.leave()
