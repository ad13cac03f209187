"""A destination without a worker, taken for the time in which its rows are erased: its epoch rises, so that nobody commits to it who had it
before, and each transaction compares owner and epoch."""

from __future__ import annotations

from typing import NamedTuple
from uuid import UUID

from router.errors import CommandRefused
from router.store.postgres.database import Connection

HERE = "part = 0 AND destination = $1"
LEASE = "interval '30 seconds'"
"""After each transaction."""


class IdleUnit(NamedTuple):
    """A destination that this process has, and no worker of it."""

    destination: str
    owner: UUID
    epoch: int

    async def hold(self, connection: Connection) -> None:
        """First in each transaction: no commit of the destination is under way within it. Raises CommandRefused `elsewhere`."""
        sql = f"UPDATE unit SET expires = clock_timestamp() + {LEASE} WHERE {HERE} AND owner = $2 AND epoch = $3 RETURNING true"
        if not await connection.fetchval(sql, *self):
            raise CommandRefused("elsewhere", f"another node has {self.destination} by now")

    async def give_back(self, connection: Connection) -> None:
        """Whoever wants it can have it at once."""
        sql = f"UPDATE unit SET owner = NULL, expires = '-infinity' WHERE {HERE} AND owner = $2 AND epoch = $3"
        await connection.execute(sql, *self)


async def check(connection: Connection, destination: str, owner: UUID, *, is_alone: bool) -> None:
    """Raises CommandRefused `elsewhere` where another process has it. `is_alone`: nobody else uses the database."""
    sql = f"SELECT owner_name FROM unit WHERE {HERE} AND owner <> $2 AND expires > clock_timestamp()"
    if not is_alone and (name := await connection.fetchval(sql, destination, owner)) is not None:
        raise CommandRefused("elsewhere", f"node {name} delivers to {destination}")


async def take(connection: Connection, destination: str, owner: UUID, *, is_alone: bool) -> IdleUnit:
    """Take it from this process, or from nobody. Raises CommandRefused `elsewhere`."""
    epoch = await connection.fetchval(
        f"UPDATE unit SET owner = $2, epoch = epoch + 1, expires = clock_timestamp() + {LEASE} WHERE {HERE}"
        " AND ($3 OR owner IS NULL OR owner = $2 OR expires <= clock_timestamp()) RETURNING epoch",
        destination, owner, is_alone,
    )  # fmt: skip
    if epoch is None:
        raise CommandRefused("elsewhere", f"another node has {destination} by now")
    return IdleUnit(destination, owner, epoch)
