"""The connection that destinations read through. Another process that locks the file is waited for."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from typing import TypeVar

from router.clock import Clock
from router.store.sqlite.connection import Connection
from router.store.sqlite.locks import BUSY_PAUSE_S, is_busy

T = TypeVar("T")


class Reader:
    """Runs functions in the thread of a read-only connection."""

    def __init__(self, connection: Connection, clock: Clock) -> None:
        self._connection, self._clock = connection, clock

    async def run(self, work: Callable[..., T], *args: object) -> T:
        """Call `work(sqlite3 connection, *args)`: one hop."""
        while True:
            try:
                return await self._connection.run(work, *args)
            except sqlite3.OperationalError as error:
                if not is_busy(error):
                    raise
            await self._clock.sleep(BUSY_PAUSE_S)
