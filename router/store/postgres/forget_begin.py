"""The first transaction of a regulation: who is meant, up to which event, who is suppressed, and what the directory knew of them. The head row
is held, so nobody appends meanwhile: what a later call tells of the person or group is new, and stays."""

from __future__ import annotations

from uuid import UUID

from router.store.postgres import forget_groups, regulation_rows
from router.store.postgres.database import Connection
from router.store.postgres.directory_reads import joined
from router.store.regulation import Demand, Regulation
from router.store.regulation_begun import begun
from router.store.suppressions import Suppressions

DIRECTORY = (("person", "user_key"), ("membership", "user_key"), ("link", "anonymous_key"), ("consent", "user_key"))
"""What the directory has of people. A link is found by its anonymous key, which is among theirs."""


async def begin(
    connection: Connection, demand: Demand, suppressions: Suppressions, owner: UUID, now_ms: int
) -> tuple[Regulation, list[tuple[bytes, bytes]]]:
    """Record the demand, once: where its answer was lost it is asked again. Returns the regulation, and the hashes that it has suppressed."""
    async with connection.transaction():
        bound = await connection.fetchval("SELECT pos FROM head WHERE part = 0 FOR UPDATE")
        known = await joined(connection, demand.subjects)
        regulation, rows = begun(demand, known, suppressions, bound, now_ms)
        if stored := await regulation_rows.read_one(connection, demand.id):
            return stored, rows if demand.suppresses else []
        await regulation_rows.tell_all(connection)
        if demand.suppresses:
            await regulation_rows.suppress(connection, rows, now_ms)
        if demand.unsuppresses:
            await regulation_rows.unsuppress(connection, [suppressions.hash_of(one) for one in demand.subjects])
        if demand.deletes:
            await _start_erasing(connection, regulation)
        await regulation_rows.add(connection, regulation, owner)
    return regulation, rows if demand.suppresses else []


async def _start_erasing(connection: Connection, regulation: Regulation) -> None:
    """The directory forgets the people, or the traits of the groups; the rest of them is erased step by step."""
    regulation.near = await near(connection, regulation.keys)
    if groups := regulation.groups:
        regulation.names = await forget_groups.names_of(connection, groups)
        regulation.count(directory=await forget_groups.erase_traits(connection, groups))
    for table, column in DIRECTORY:
        sql = f"DELETE FROM {table} WHERE part = 0 AND {column} = ANY($1::text[])"
        told = await connection.execute(sql, regulation.keys)
        regulation.count(directory=int(told.rpartition(" ")[2]))


async def near(connection: Connection, keys: list[str]) -> list[str]:
    """These, and the users that one of their anonymousIds was ever joined to: their lanes may hold its events."""
    sql = "SELECT DISTINCT user_key FROM link WHERE part = 0 AND anonymous_key = ANY($1::text[])"
    return [*dict.fromkeys([*keys, *(row[0] for row in await connection.fetch(sql, keys))])]
