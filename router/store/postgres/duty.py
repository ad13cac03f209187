"""What one process at a time does for all, with a lease and an epoch. Who has a duty compares the epoch in the first statement of each
transaction, which holds the row of the duty: who was taken for dead can do nothing any more, and nobody takes it over meanwhile."""

from __future__ import annotations

from uuid import UUID

from router.store.postgres.database import Connection

HOUSEKEEPING, NOTICES = "housekeeping", "notices"
DUTIES = (HOUSEKEEPING, NOTICES)
LEASE = "interval '30 seconds'"

TAKE = (
    f"UPDATE duty SET owner = $1, epoch = epoch + 1, expires = clock_timestamp() + {LEASE}"
    " WHERE name = $2 AND expires < clock_timestamp() RETURNING epoch"
)
RENEW = f"UPDATE duty SET expires = clock_timestamp() + {LEASE} WHERE owner = $1 AND name = $2 AND epoch = $3 RETURNING true"
GIVE_BACK = "UPDATE duty SET expires = '-infinity' WHERE owner = $1 AND name = $2 AND epoch = $3"


class DutyLost(Exception):
    """Another process has it."""


class Duty:
    """One of `DUTIES`, as one process has it or has it not. `me`: the process."""

    def __init__(self, name: str, me: UUID) -> None:
        self._name, self._me = name, me
        self._epoch: int | None = None

    async def take(self, connection: Connection) -> bool:
        """Whether this process has it, as far as it knows; where nobody has it, it has it from now on."""
        if self._epoch is None:
            self._epoch = await connection.fetchval(TAKE, self._me, self._name)
        return self._epoch is not None

    async def hold(self, connection: Connection) -> None:
        """First in each transaction. Raises DutyLost."""
        if self._epoch is None or not await connection.fetchval(RENEW, self._me, self._name, self._epoch):
            self._epoch = None
            raise DutyLost

    async def give_back(self, connection: Connection) -> None:
        """Another process may have it at once."""
        if self._epoch is not None:
            await connection.execute(GIVE_BACK, self._me, self._name, self._epoch)
            self._epoch = None
