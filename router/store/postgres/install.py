"""The schema: made where there is none, brought up to date where it is older, refused where it is newer. And the settings without which a
promise would not hold."""

from __future__ import annotations

import secrets
from pathlib import Path

import asyncpg

from router.errors import StartError
from router.store.postgres.database import Connection
from router.store.postgres.duty import DUTIES

SCHEMA = 4
WITH_SHARDS = 3
"""The oldest schema of a program that may work on a store with a destination that is split."""
LOCK = 0x5E67_0001
"""Of the advisory lock under which one process at a time makes tables."""
PATIENCE_S = 120
"""So long a process waits for its turn."""
BUSY = (
    f"another process has been making or upgrading tables in this database for {PATIENCE_S} s. Start again when it has ended; "
    "`SELECT * FROM pg_stat_activity WHERE state <> 'idle'` shows what it does"
)
OLDEST = 140_000
"""The oldest version of PostgreSQL, as its `server_version_num`."""
MOST_IDLE_MS = 2_000
SAFE = ("on", "remote_apply")
KEY_BYTES = 32
COPYING = "copying"
"""Key in `meta` while `store copy` fills the database."""


async def install(connection: Connection, now_ms: int) -> str:
    """Bring the database to the schema of this program. Returns what was upgraded; nothing for one that is new or of this schema. Raises
    StartError."""
    async with connection.transaction():
        await _take_turn(connection)
        if await connection.fetchval("SELECT to_regclass('version')") is None:
            await make_tables(connection)
            await first_rows(connection, now_ms)
            return ""
        schema, usable_from = await connection.fetchrow("SELECT schema, usable_from FROM version")
        if usable_from > SCHEMA:
            raise StartError(
                f"the database has schema {schema}, this segment-router knows up to {SCHEMA}: use the newer version"
            )
        if await connection.fetchval("SELECT true FROM meta WHERE key = $1", COPYING):
            raise StartError(
                "a copy into the database was interrupted, or is under way: run `store copy SOURCE TARGET` again, or wait until it is done"
            )
        if schema < SCHEMA:
            await _upgrade(connection, schema)
            return f"from schema {schema} to {SCHEMA}"
        return ""


async def _take_turn(connection: Connection) -> None:
    """Wait while another process makes tables, which may take longer than anything is waited for later on. Raises StartError."""
    await connection.execute(f"SET LOCAL lock_timeout = 0; SET LOCAL statement_timeout = '{PATIENCE_S}s'")
    try:
        await connection.execute("SELECT pg_advisory_xact_lock($1)", LOCK)
    except asyncpg.QueryCanceledError:
        raise StartError(BUSY) from None
    await connection.execute("SET LOCAL lock_timeout TO DEFAULT; SET LOCAL statement_timeout TO DEFAULT")


async def make_tables(connection: Connection) -> None:
    """Tables without rows. Inside a transaction. Raises StartError."""
    await _execute(connection, "schema.sql", "functions.sql")


async def _upgrade(connection: Connection, schema: int) -> None:
    """A step for each schema. Each only adds, so that nodes of the version before go on; functions have a number, which a changed one raises."""
    await _execute(connection, *(f"upgrade_{number}.sql" for number in range(schema + 1, SCHEMA + 1)), "functions.sql")
    await connection.execute("UPDATE version SET schema = $1", SCHEMA)


async def _execute(connection: Connection, *files: str) -> None:
    try:
        for name in files:
            await connection.execute((Path(__file__).parent / name).read_text(encoding="utf-8"))
    except asyncpg.InsufficientPrivilegeError as error:
        raise StartError(
            f"the database user may not make tables ({error}): GRANT CREATE on the schema to it, or set its search_path"
        ) from None


async def first_rows(connection: Connection, now_ms: int) -> None:
    """What a new store has."""
    await connection.execute("INSERT INTO version (schema, usable_from, level) VALUES ($1, $1, $1)", SCHEMA)
    await connection.execute("INSERT INTO meta VALUES ('hash_key', $1)", secrets.token_bytes(KEY_BYTES))
    await connection.execute("INSERT INTO meta VALUES ('people_key', $1)", secrets.token_bytes(KEY_BYTES))
    await connection.execute("INSERT INTO meta VALUES ('made_at', $1)", str(now_ms).encode())
    await connection.execute("INSERT INTO head VALUES (0, 0, 0, 0, 0, 0, 0)")
    await connection.execute("INSERT INTO generation VALUES (0, $1, NULL)", now_ms)
    await connection.execute("INSERT INTO trim VALUES (0, 0)")
    await connection.execute("INSERT INTO duty (name) SELECT unnest($1::text[])", DUTIES)


async def check_settings(connection: Connection, *, needs_fsync: bool) -> None:
    """Refuse a database that would acknowledge what it may lose. Raises StartError."""
    if unsafe := await unsafe_settings(connection, needs_fsync=needs_fsync):
        raise StartError("; ".join(unsafe))


async def unsafe_settings(connection: Connection, *, needs_fsync: bool) -> list[str]:
    """What of the database's settings would break a promise, each with what to do."""
    names = ("synchronous_commit", "fsync", "idle_in_transaction_session_timeout", "server_version_num")
    found = {name: await connection.fetchval("SELECT setting FROM pg_settings WHERE name = $1", name) for name in names}
    unsafe = []
    if (version := int(found["server_version_num"])) < OLDEST:
        unsafe.append(f"the database is PostgreSQL {version // 10_000}: use {OLDEST // 10_000} or newer")
    if found["synchronous_commit"] not in SAFE:
        unsafe.append(
            f"the database has synchronous_commit = {found['synchronous_commit']}, so that it may lose what it has acknowledged:"
            " set it to on, for the user of the router at least (ALTER ROLE ... SET synchronous_commit = on)"
        )
    if needs_fsync and found["fsync"] != "on":
        unsafe.append("the database has fsync = off, so that a crash of its machine may ruin it: set it to on")
    if not 0 < int(found["idle_in_transaction_session_timeout"]) <= MOST_IDLE_MS:
        unsafe.append(
            "idle_in_transaction_session_timeout does not reach the database (a pooler in between?): a node that freezes would stop"
            " all others. ALTER ROLE ... SET idle_in_transaction_session_timeout = '2s'"
        )
    return unsafe
