"""Whether another machine has what the database acknowledges, as far as the database says so itself."""

from __future__ import annotations

from router.store.postgres.database import Connection
from router.vocabulary import Problem

NAMES = "SELECT setting <> '' FROM pg_settings WHERE name = 'synchronous_standby_names'"
WORDS = (
    "the database names no synchronous standby, so what only its machine has is lost with that: name one in synchronous_standby_names,"
    " or write store.replicated = true where its disks are replicated"
)


async def is_named(connection: Connection) -> bool:
    """Whether commits wait for a standby. One that is named and away makes them wait for ever, so nobody has to look for it."""
    return bool(await connection.fetchval(NAMES))


class Standby:
    """As of the last look. `is_wanted`: nobody has said that the database is replicated in another way."""

    def __init__(self, *, is_wanted: bool) -> None:
        self._is_wanted = is_wanted
        self._is_missing = False

    async def look(self, connection: Connection) -> None:
        """Raises what the database says."""
        if self._is_wanted:
            self._is_missing = not await is_named(connection)

    def problems(self) -> list[Problem]:
        """That there is none."""
        return [Problem("store_not_replicated", WORDS)] if self._is_missing else []
