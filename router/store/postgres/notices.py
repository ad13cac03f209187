"""What the notifier has told: one value in `meta`. To tell it is a duty of one process."""

from __future__ import annotations

from contextlib import suppress
from uuid import UUID

from router.errors import StoreError
from router.store.postgres.database import Connection, Database
from router.store.postgres.duty import NOTICES, Duty, DutyLost

KEY = "notices"


class PostgresNotices:
    """Implements `ports.Notices`. Raises StoreError while the database is away. `me`: this process."""

    def __init__(self, database: Database, me: UUID) -> None:
        self._database, self._duty = database, Duty(NOTICES, me)

    async def are_ours(self) -> bool:
        """Whether this process tells, and no other one."""
        return await self._database.write(self._take)

    async def give_back(self) -> None:
        """Another process may tell at once. While the database is away the lease of the duty runs out instead."""
        with suppress(StoreError):
            await self._database.write(self._duty.give_back)

    async def read(self) -> bytes | None:
        """What was written last; None before."""
        return await self._database.ask(_read)

    async def write(self, text: bytes) -> None:
        """Durable on return. Raises StoreError where another process tells by now."""
        await self._database.write(self._write, text)

    async def _take(self, connection: Connection) -> bool:
        if not await self._duty.take(connection):
            return False
        try:
            await self._duty.hold(connection)
        except DutyLost:
            return False
        return True

    async def _write(self, connection: Connection, text: bytes) -> None:
        try:
            await self._duty.hold(connection)
        except DutyLost:
            raise StoreError("another node tells of troubles by now") from None
        sql = "INSERT INTO meta VALUES ($1, $2) ON CONFLICT (key) DO UPDATE SET value = excluded.value"
        await connection.execute(sql, KEY, text)


async def _read(connection: Connection) -> bytes | None:
    text: bytes | None = await connection.fetchval("SELECT value FROM meta WHERE key = $1", KEY)
    return text
