"""Whether the database of the store can be used: it is reached as the daemon reaches it, and nothing is changed there."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

from router.config.store_url import INSTALL_POSTGRES, is_asyncpg_installed, shown_url, without_passwords
from router.doctor.finding import Finding, Level
from router.doctor.subject import Subject

CODE = "database"
FAST_MS, FAR_MS = 10.0, 2_000.0
"""A trip that takes longer makes every commit slow; clocks that are further apart are told of."""


def database(subject: Subject) -> Iterator[Finding]:
    """Its settings, its schema and how far away it is. Nothing where the store is a file."""
    url = subject.draft.database if subject.draft else ""
    is_replicated = subject.draft is not None and subject.draft.is_replicated
    if not url:
        return
    if not is_asyncpg_installed():
        yield Finding(CODE, Level.ERROR, INSTALL_POSTGRES, "install it in the environment of the daemon")
        return
    try:
        yield from asyncio.run(_examined(url, is_replicated, subject.clock.now_ms, subject.clock.monotonic))
    except Exception as error:  # a library of others: whatever it raises is why the daemon cannot use it
        words = without_passwords(f"{type(error).__name__}: {error}", url)
        remedy = "see whether it runs, whether this machine reaches it, and whether user and password are right"
        yield Finding(CODE, Level.ERROR, f"{shown_url(url)} cannot be used: {words}", remedy)


async def _examined(url: str, is_replicated: bool, now_ms: Any, monotonic: Any) -> list[Finding]:
    from router.store.postgres.database import closed, connect  # asyncpg is an extra

    connection = await connect(url)
    try:
        return [finding async for finding in _findings(connection, shown_url(url), is_replicated, now_ms, monotonic)]
    finally:
        await closed(connection)


async def _findings(
    connection: Any, shown: str, is_replicated: bool, now_ms: Any, monotonic: Any
) -> AsyncIterator[Finding]:
    from router.store.postgres.install import COPYING, SCHEMA, unsafe_settings
    from router.store.postgres.standby import is_named

    unsafe = await unsafe_settings(connection, needs_fsync=True)
    for words in unsafe:
        sentence, _, remedy = words.rpartition(": ")
        yield Finding(CODE, Level.ERROR, sentence, remedy)
    version = await connection.fetchval("SELECT setting FROM pg_settings WHERE name = 'server_version'")
    if not unsafe:
        yield Finding(CODE, Level.OK, f"{shown} is PostgreSQL {version}, with the settings that the router needs")
    if not (is_replicated or await is_named(connection)):
        remedy = "name a standby in synchronous_standby_names, or write store.replicated = true where the disks are replicated"
        yield Finding(
            CODE, Level.WARNING, f"{shown} has no synchronous standby: what only it has is lost with it", remedy
        )
    yield await _schema(connection, shown, SCHEMA, COPYING)
    began = monotonic()
    theirs = await connection.fetchval("SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint")
    trip_ms, apart = 1000 * (monotonic() - began), abs(now_ms() - theirs)
    if trip_ms > FAST_MS:
        yield Finding(CODE, Level.WARNING, f"a trip to {shown} takes {trip_ms:.0f} ms", "run the router nearer to it")
    if apart > FAR_MS + trip_ms:
        yield Finding(
            CODE, Level.WARNING, f"the clock of {shown} is {apart / 1000:.1f} s apart", "keep both clocks by NTP"
        )


async def _schema(connection: Any, shown: str, known: int, copying: str) -> Finding:
    if await connection.fetchval("SELECT to_regclass('version')") is None:
        if await connection.fetchval("SELECT has_schema_privilege(current_schema(), 'CREATE')"):
            return Finding(CODE, Level.OK, f"{shown} has no tables of the router yet; the first start makes them")
        words = f"{shown} has no tables of the router, and its user may not make any"
        return Finding(CODE, Level.ERROR, words, "GRANT CREATE on the schema to it, or set its search_path")
    schema, usable_from = await connection.fetchrow("SELECT schema, usable_from FROM version")
    if usable_from > known:
        words = f"{shown} has schema {schema}, and this version knows up to {known}"
        return Finding(CODE, Level.ERROR, words, "install the newer version again (UPGRADING.md)")
    if await connection.fetchval("SELECT true FROM meta WHERE key = $1", copying):
        words = f"a copy into {shown} was interrupted, or is under way"
        return Finding(CODE, Level.ERROR, words, "run the same `store copy` again, or wait until it is done")
    return Finding(CODE, Level.OK, f"{shown} has schema {schema}, which this version knows")
