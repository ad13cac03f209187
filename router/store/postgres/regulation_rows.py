"""The records of regulations, and who is suppressed. What writes runs inside the caller's transaction."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from uuid import UUID

import msgspec

from router.errors import RegulationLost
from router.store.postgres.database import Connection
from router.store.regulation import Regulation

_encode = msgspec.json.encode
WHERE = "part = 0 AND id = $1"


def _read(job: bytes) -> Regulation:
    return msgspec.json.decode(job, type=Regulation)


async def read_one(connection: Connection, regulation_id: str) -> Regulation | None:
    """The regulation of this id."""
    job = await connection.fetchval(f"SELECT job FROM regulation WHERE {WHERE}", regulation_id)
    return None if job is None else _read(job)


async def there(connection: Connection, regulation_id: str) -> Regulation:
    """The same of one that is known to be there: it is never deleted."""
    regulation = await read_one(connection, regulation_id)
    assert regulation is not None, "a regulation is never deleted"
    return regulation


async def locked(connection: Connection, regulation_id: str, owner: UUID | None = None) -> Regulation:
    """The same, which nobody else changes before this transaction ends. It comes first in each transaction that erases. Raises RegulationLost
    where it is another process's than this one's; None: whoever carries it out."""
    sql = f"SELECT job FROM regulation WHERE {WHERE} AND owner = coalesce($2, owner) FOR UPDATE"
    job = await connection.fetchval(sql, regulation_id, owner)
    if job is None:
        raise RegulationLost
    return _read(job)


async def adopt(connection: Connection, owner: UUID) -> list[Regulation]:
    """Those whose process gives no signs of life any more: this one carries them out from now on. Oldest first."""
    found = await connection.fetch(
        "UPDATE regulation r SET owner = $1 WHERE part = 0 AND NOT is_done AND owner <> $1 AND NOT EXISTS"
        " (SELECT 1 FROM node n WHERE n.incarnation = r.owner AND n.expires > clock_timestamp()) RETURNING job",
        owner,
    )
    return sorted((_read(row[0]) for row in found), key=lambda one: (one.created_at, one.id))


async def tell_all(connection: Connection) -> None:
    """Whoever appends or takes a destination has to read anew who is suppressed, and who is being forgotten."""
    await connection.execute("UPDATE head SET people = people + 1 WHERE part = 0")


async def newest(connection: Connection, limit: int) -> list[Regulation]:
    """The newest ones, newest first."""
    sql = "SELECT job FROM regulation WHERE part = 0 ORDER BY created_at DESC, id DESC LIMIT $1"
    return [_read(row[0]) for row in await connection.fetch(sql, limit)]


async def under_way(connection: Connection, owner: UUID | None = None) -> list[Regulation]:
    """Those that are not done, oldest first. `owner`: that this process carries out; None: any one."""
    sql = "SELECT job FROM regulation WHERE part = 0 AND NOT is_done AND owner = coalesce($1, owner) ORDER BY created_at, id"
    return [_read(row[0]) for row in await connection.fetch(sql, owner)]


async def add(connection: Connection, regulation: Regulation, owner: UUID) -> None:
    """Record it."""
    await connection.execute(
        "INSERT INTO regulation (part, id, created_at, is_done, job, owner) VALUES (0, $1, $2, $3, $4, $5)",
        regulation.id, regulation.created_at, not regulation.is_under_way, _encode(regulation), owner,
    )  # fmt: skip


async def write(connection: Connection, regulation: Regulation) -> None:
    """Replace it."""
    sql = f"UPDATE regulation SET is_done = $2, job = $3 WHERE {WHERE}"
    await connection.execute(sql, regulation.id, not regulation.is_under_way, _encode(regulation))


# ---------------------------------------------------------------- who belonged to its groups


async def members(connection: Connection, regulation_id: str) -> list[str]:
    """User keys. Beside the record, which is written with each slice: a group may have 100,000 members."""
    sql = "SELECT user_key FROM member WHERE part = 0 AND regulation = $1"
    return [row[0] for row in await connection.fetch(sql, regulation_id)]


async def add_members(connection: Connection, regulation_id: str, found: Iterable[str]) -> None:
    """Note these, too."""
    sql = "INSERT INTO member SELECT 0, $1, unnest($2::text[]) ON CONFLICT DO NOTHING"
    await connection.execute(sql, regulation_id, list(found))


async def drop_members(connection: Connection, regulation_id: str) -> None:
    """Nobody asks for them any more."""
    await connection.execute("DELETE FROM member WHERE part = 0 AND regulation = $1", regulation_id)


# ---------------------------------------------------------------- who is suppressed


async def suppressed(connection: Connection) -> tuple[bytes, list[tuple[bytes, bytes]]]:
    """The key of the hashes of people, and the hashes, each with that of a person it belongs to."""
    key = await connection.fetchval("SELECT value FROM meta WHERE key = 'people_key'")
    rows = await connection.fetch("SELECT hash, owner FROM suppressed WHERE part = 0")
    return key, [(row[0], row[1]) for row in rows]


async def suppress(connection: Connection, rows: Sequence[tuple[bytes, bytes]], now_ms: int) -> None:
    """Add to them."""
    await connection.execute(
        "INSERT INTO suppressed SELECT 0, hash, owner, $3 FROM unnest($1::bytea[], $2::bytea[]) AS new (hash, owner) ON CONFLICT DO NOTHING",
        [hashed for hashed, _ in rows], [owner for _, owner in rows], now_ms,
    )  # fmt: skip


async def unsuppress(connection: Connection, people: Iterable[bytes]) -> None:
    """Take these people off the list, with their anonymousIds, unless one belongs to somebody else on it."""
    sql = "DELETE FROM suppressed WHERE part = 0 AND (hash = ANY($1::bytea[]) OR owner = ANY($1::bytea[]))"
    await connection.execute(sql, list(people))
