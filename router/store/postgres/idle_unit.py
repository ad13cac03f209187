"""A destination, or a shard of it, without a worker, taken for the time in which its rows are erased: its epoch rises, so that nobody commits to it who had it
before, and each transaction compares owner and epoch."""

from __future__ import annotations

from typing import NamedTuple
from uuid import UUID

from router.errors import CommandRefused
from router.store.postgres.database import Connection
from router.store.postgres.scope import Scope
from router.store.shards import Share

HERE = "part = 0 AND destination = $1 AND shard = $2"
LEASE = "interval '30 seconds'"
"""After each transaction."""


class IdleUnit(NamedTuple):
    """A destination, or a shard of it, that this process has, and no worker of it."""

    scope: Scope
    owner: UUID
    epoch: int

    @property
    def destination(self) -> str:
        """Its name."""
        return self.scope.destination

    @property
    def _values(self) -> tuple[str, int, UUID, int]:
        return self.scope.destination, self.scope.share.shard, self.owner, self.epoch

    async def hold(self, connection: Connection) -> None:
        """First in each transaction: no commit of the destination is under way within it. Raises CommandRefused `elsewhere`."""
        sql = f"UPDATE unit SET expires = clock_timestamp() + {LEASE} WHERE {HERE} AND owner = $3 AND epoch = $4 RETURNING true"
        if not await connection.fetchval(sql, *self._values):
            raise CommandRefused("elsewhere", f"another node has {self.destination} by now")

    async def give_back(self, connection: Connection) -> None:
        """Whoever wants it can have it at once."""
        sql = f"UPDATE unit SET owner = NULL, expires = '-infinity' WHERE {HERE} AND owner = $3 AND epoch = $4"
        await connection.execute(sql, *self._values)


async def check(connection: Connection, scope: Scope, owner: UUID, *, is_alone: bool) -> None:
    """Raises CommandRefused `elsewhere` where another process has it. `is_alone`: nobody else uses the database."""
    sql = f"SELECT owner_name FROM unit WHERE {HERE} AND owner <> $3 AND expires > clock_timestamp()"
    if not is_alone and (name := await connection.fetchval(sql, *_unit(scope), owner)) is not None:
        raise CommandRefused("elsewhere", f"node {name} delivers to {scope.destination}")


async def take(connection: Connection, scope: Scope, owner: UUID, *, is_alone: bool) -> IdleUnit:
    """Take it from this process, or from nobody. Raises CommandRefused `elsewhere`, also where there are not as many shards by now."""
    epoch = await connection.fetchval(
        f"UPDATE unit SET owner = $3, epoch = epoch + 1, expires = clock_timestamp() + {LEASE} WHERE {HERE}"
        " AND ($4 OR owner IS NULL OR owner = $3 OR expires <= clock_timestamp())"
        " AND $5 = (SELECT count(*) FROM unit WHERE part = 0 AND destination = $1) RETURNING epoch",
        *_unit(scope), owner, is_alone, scope.share.shards,
    )  # fmt: skip
    if epoch is None:
        raise CommandRefused("elsewhere", f"another node has {scope.destination} by now")
    return IdleUnit(scope, owner, epoch)


async def scopes(connection: Connection, destination: str) -> list[Scope]:
    """One for each shard of a destination."""
    shards = await connection.fetchval("SELECT count(*) FROM unit WHERE part = 0 AND destination = $1", destination)
    return [Scope(destination, Share(n, shards)) for n in range(shards)]


def _unit(scope: Scope) -> tuple[str, int]:
    return scope.destination, scope.share.shard
