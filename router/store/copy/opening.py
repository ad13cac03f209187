"""Opens the two stores of a copy. asyncpg is loaded only where one of them is a database."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import NamedTuple

from router.store.copy.ports import Source, Target
from router.store.copy.sqlite_source import open_sqlite_source
from router.store.copy.sqlite_target import open_sqlite_target


class Address(NamedTuple):
    """Where a store is: a file, or a database."""

    path: Path | None
    dsn: str = ""
    shown: str = ""  #: the address of the database without any secret


@asynccontextmanager
async def open_source(address: Address) -> AsyncIterator[Source]:
    """A store that nobody uses. Raises CopyError, StartError."""
    async with AsyncExitStack() as stack:
        if address.path is not None:
            source: Source = await stack.enter_async_context(open_sqlite_source(address.path))
        else:
            from router.store.copy.postgres_source import open_postgres_source  # asyncpg is an extra

            source = await stack.enter_async_context(open_postgres_source(address.dsn, address.shown))
        yield source


@asynccontextmanager
async def open_target(address: Address, now_ms: int) -> AsyncIterator[Target]:
    """A new store, which is whole when the context is left without an exception. Raises CopyError, StartError."""
    async with AsyncExitStack() as stack:
        if address.path is not None:
            target: Target = await stack.enter_async_context(open_sqlite_target(address.path, now_ms))
        else:
            from router.store.copy.postgres_target import open_postgres_target  # asyncpg is an extra

            target = await stack.enter_async_context(open_postgres_target(address.dsn, address.shown, now_ms))
        yield target
