"""What the bundled plugins reach that do not send by HTTP: a file, a database."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import asyncpg

from router.plugin import JSON, Outcome, Pause, RetryLater
from router.testing import Scene
from tests.postgres_server import Server

LOADER, PASSWORD = "loader", "l0ader-s3cret"


class Folder(Scene):
    """A file in a folder of its own."""

    troubles: Mapping[str, type[Outcome]] = {"a folder is in its place": RetryLater, "the disk is full": RetryLater}

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Mapping[str, JSON]]:
        """The path of the file, which is not there yet."""
        with TemporaryDirectory() as folder:
            yield {"path": f"{folder}/events.jsonl"}

    @asynccontextmanager
    async def trouble(self, name: str, settings: Mapping[str, JSON]) -> AsyncIterator[None]:
        """What is at the path."""
        path = Path(settings["path"])
        if name == "the disk is full":
            path.symlink_to("/dev/full")  # noqa: ASYNC240
        else:
            path.mkdir()  # noqa: ASYNC240
        yield


class Database(Scene):
    """A database for all checks, and a user who may make schemas in it."""

    troubles: Mapping[str, type[Outcome]] = {
        "the password was changed": Pause,
        "the database takes no connection": RetryLater,
        "the user has no connection left": RetryLater,
    }
    _changes: Mapping[str, tuple[str, str]] = {
        "the password was changed": (
            f"ALTER ROLE {LOADER} PASSWORD 'other'",
            f"ALTER ROLE {LOADER} PASSWORD '{PASSWORD}'",
        ),
        "the database takes no connection": (
            "ALTER DATABASE {} ALLOW_CONNECTIONS false",
            "ALTER DATABASE {} ALLOW_CONNECTIONS true",
        ),
        "the user has no connection left": (
            f"ALTER ROLE {LOADER} CONNECTION LIMIT 0",
            f"ALTER ROLE {LOADER} CONNECTION LIMIT -1",
        ),
    }

    def __init__(self, server: Server) -> None:
        self._server, self._name = server, ""

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Mapping[str, JSON]]:
        """The address of the database."""
        if not self._name:
            self._name = await self._server.database()
            await self._run(f"CREATE ROLE {LOADER} LOGIN PASSWORD '{PASSWORD}'")
            await self._run(f"GRANT CREATE ON DATABASE {self._name} TO {LOADER}")
        yield {"dsn": self._server.dsn(self._name, LOADER, PASSWORD)}

    @asynccontextmanager
    async def trouble(self, name: str, settings: Mapping[str, JSON]) -> AsyncIterator[None]:
        """What an administrator does to the database."""
        begin, end = self._changes[name]
        await self._run(begin.format(self._name))
        try:
            yield
        finally:
            await self._run(end.format(self._name))

    async def _run(self, statement: str) -> None:
        connection = await asyncpg.connect(self._server.dsn("postgres"))
        try:
            await connection.execute(statement)
        finally:
            await connection.close()
