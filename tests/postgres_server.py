"""A PostgreSQL server of its own for a test run, in a folder under /tmp, and gone at the end."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import asyncpg
import pytest

from router.bench.own_server import PASSWORD, USER, OwnServer, is_installed

__all__ = ["KEYLESS", "PASSWORD", "USER", "Server", "installed", "running"]

KEYLESS = "keyless"
"""A user that no password is asked of: to check one takes each connection 5 ms of processor time."""


SMALL = "shared_buffers = 16MB\nfull_page_writes = off\njit = off\n"
"""A tenth less processor time for databases of a few rows, whose machine is never cut off from power."""


class Server(OwnServer):
    """The server. `databases` are made one for each test."""

    def make(self) -> None:
        super().make()
        rules = self.folder / "data/pg_hba.conf"
        with (self.folder / "data/postgresql.conf").open("a") as file:
            file.write(SMALL)
        rules.write_text(f"host all,replication {KEYLESS} 127.0.0.1/32 trust\n{rules.read_text()}")

    def copy(self, port: int, name: str) -> None:
        """In place of `make`: become a standby, of this name, of the server at this port, which lets the user without a password in."""
        data = self.folder / "data"
        shutil.rmtree(data, ignore_errors=True)
        source = f"postgresql://{KEYLESS}@127.0.0.1:{port}/postgres?application_name={name}"
        self.carry_out("pg_basebackup", "-D", str(data), "-d", source, "-R", "-c", "fast", "--no-sync")

    async def let_in(self, user: str) -> None:
        """Make a user that may do everything, if there is none."""
        await self.ready()
        with contextlib.suppress(asyncpg.DuplicateObjectError):
            await self.run(f"CREATE ROLE {user} SUPERUSER LOGIN")


@contextmanager
def running(*, fsync: bool = False) -> Iterator[Server]:
    """A server while the context is open. `fsync`: as a daemon asks of its store."""
    with installed(fsync=fsync) as server:
        server.make()
        server.start()
        yield server


@contextmanager
def installed(*, fsync: bool = False) -> Iterator[Server]:
    """One that is neither made nor started; skips the test, with the reason, where PostgreSQL is not installed."""
    if not is_installed():
        pytest.skip("PostgreSQL's initdb and postgres are not on this machine: apt-get install postgresql")
    folder = Path(tempfile.mkdtemp(prefix="segment-router-postgres-"))
    server = Server(folder, fsync=fsync)
    try:
        yield server
    finally:
        server.close()
        shutil.rmtree(folder, ignore_errors=True)
