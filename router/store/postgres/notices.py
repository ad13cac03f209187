"""What the notifier has told: one value in `meta`."""

from __future__ import annotations

from router.store.postgres.database import Connection, Database

KEY = "notices"


class PostgresNotices:
    """Implements `ports.Notices`. Raises StoreError while the database is away."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def read(self) -> bytes | None:
        """What was written last; None before."""
        return await self._database.ask(_read)

    async def write(self, text: bytes) -> None:
        """Durable on return."""
        await self._database.write(_write, text)


async def _read(connection: Connection) -> bytes | None:
    text: bytes | None = await connection.fetchval("SELECT value FROM meta WHERE key = $1", KEY)
    return text


async def _write(connection: Connection, text: bytes) -> None:
    sql = "INSERT INTO meta VALUES ($1, $2) ON CONFLICT (key) DO UPDATE SET value = excluded.value"
    await connection.execute(sql, KEY, text)
