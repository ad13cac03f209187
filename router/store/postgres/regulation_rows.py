"""The records of regulations, and who is suppressed. What writes runs inside the caller's transaction."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

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


async def locked(connection: Connection, regulation_id: str) -> Regulation:
    """The same, which nobody else changes before this transaction ends. It comes first in each transaction that erases."""
    return _read(await connection.fetchval(f"SELECT job FROM regulation WHERE {WHERE} FOR UPDATE", regulation_id))


async def newest(connection: Connection, limit: int) -> list[Regulation]:
    """The newest ones, newest first."""
    sql = "SELECT job FROM regulation WHERE part = 0 ORDER BY created_at DESC, id DESC LIMIT $1"
    return [_read(row[0]) for row in await connection.fetch(sql, limit)]


async def under_way(connection: Connection) -> list[Regulation]:
    """Those that are not done, oldest first."""
    sql = "SELECT job FROM regulation WHERE part = 0 AND NOT is_done ORDER BY created_at, id"
    return [_read(row[0]) for row in await connection.fetch(sql)]


async def write(connection: Connection, regulation: Regulation) -> None:
    """Put it, or replace it."""
    await connection.execute(
        "INSERT INTO regulation VALUES (0, $1, $2, $3, $4) ON CONFLICT (part, id) DO UPDATE SET is_done = excluded.is_done, job = excluded.job",
        regulation.id, regulation.created_at, not regulation.is_under_way, _encode(regulation),
    )  # fmt: skip


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
