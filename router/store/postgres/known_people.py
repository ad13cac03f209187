"""Who is suppressed and who is being forgotten, as this process knows it. The head row counts the demands: who appends with an older count is
refused, and reads them anew; who takes a destination looks before it reads the log."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import NamedTuple

from router.store.forgotten import Forgotten
from router.store.postgres import regulation_rows
from router.store.postgres.database import Connection, Database, snapshot
from router.store.regulation import Regulation, Step
from router.store.suppressions import Suppressions


class KnownPeople:
    """Of one process. `version`: the number of demands that it knows of."""

    def __init__(self, database: Database, suppressions: Suppressions, version: int) -> None:
        self.suppressions, self.forgotten, self.version = suppressions, Forgotten(), version
        self.early: set[bytes] = set()  #: in whose name people are suppressed of whom a demand is on its way
        self.changing = asyncio.Lock()  #: held while a demand is recorded, or read
        self.when_ended: Callable[[], None] = lambda: None  #: what was read of the log before is to be dropped
        self._database = database

    async def look(self) -> None:
        """Read the demands anew if there are more. Waits for a database that is away."""
        if await self._database.read(_for_ever, _version) != self.version:
            await self.refresh()

    async def refresh(self) -> None:
        """Read them anew. Waits for a database that is away."""
        async with self.changing:
            found: _Found = await self._database.read(_for_ever, _read)
            under_way = [one for one in found.under_way if one.step != Step.NOTE]
            if self.forgotten.replace(under_way):
                self.when_ended()
            self.suppressions.replace(found.suppressed, self.early)
            self.version = found.version


class _Found(NamedTuple):
    version: int
    suppressed: list[tuple[bytes, bytes]]
    under_way: list[Regulation]


async def _version(connection: Connection) -> int:
    version: int = await connection.fetchval("SELECT people FROM head WHERE part = 0")
    return version


async def _read(connection: Connection) -> _Found:
    async with snapshot(connection):
        _, suppressed = await regulation_rows.suppressed(connection)
        return _Found(await _version(connection), suppressed, await regulation_rows.under_way(connection))


def _for_ever() -> None:
    """Without them nothing may be appended or read."""
