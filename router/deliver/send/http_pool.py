"""Idle connections, by where they lead."""

from __future__ import annotations

from router.deliver.send.http_connection import Connection
from router.deliver.send.http_request import Origin

IDLE_S = 4.0
"""Node servers close an idle connection after 5 s: it must not happen while a request is on its way to them."""


class Pool:
    """The newest goes out first, so that those too many grow old and are closed."""

    def __init__(self) -> None:
        self._idle: dict[Origin, list[Connection]] = {}

    def __len__(self) -> int:
        return sum(map(len, self._idle.values()))

    def take(self, origin: Origin) -> Connection | None:
        """An open connection there, if there is one."""
        idle = self._idle.get(origin)
        while idle:
            connection = idle.pop()
            if connection.is_open:
                connection.is_reused = True
                return connection
        return None

    def give(self, connection: Connection, now: float) -> None:
        """Keep a connection that has done its request."""
        connection.idle_since = now
        self._idle.setdefault(connection.origin, []).append(connection)

    def drop(self, connection: Connection) -> None:
        """Forget a connection that has ended."""
        idle = self._idle.get(connection.origin)
        if idle and connection in idle:
            idle.remove(connection)

    def expire(self, before: float) -> None:
        """Close what has been idle since before this moment."""
        for origin, idle in list(self._idle.items()):
            while idle and idle[0].idle_since <= before:
                idle.pop(0).cut()
            if not idle:
                del self._idle[origin]
