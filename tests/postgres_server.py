"""A PostgreSQL server of its own for a test run: made by initdb in a folder under /tmp, on a port of its own, and gone at the end.

PostgreSQL does not run as root: there, it runs as the user `postgres`, or `nobody`.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from router.testing.ports import HeldPort
from tests.flow.harness import eventually

USER, PASSWORD = "postgres", "p4ssw0rd-s3cret"
KEYLESS = "keyless"
"""A user that no password is asked of: to check one takes each connection 5 ms of processor time."""


def program(name: str) -> str | None:
    """The path of one of PostgreSQL's programs, in the newest version on this machine."""
    of_debian = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), key=lambda path: int(path.parts[4]))
    return str(of_debian[-1]) if of_debian else shutil.which(name)


class Server:
    """The server. `databases` are made one for each test."""

    def __init__(self, folder: Path, *, fsync: bool = False) -> None:
        self.folder, self._fsync = folder, "on" if fsync else "off"
        self._held = HeldPort()
        self.port = self._held.number
        self._process: subprocess.Popen[bytes] | None = None
        self._made = 0
        self._as: dict[str, Any] = {}
        if os.geteuid() == 0:
            entry = next(pwd.getpwnam(name) for name in ("postgres", "nobody") if name in _users())
            self._as = {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}
            os.chown(folder, entry.pw_uid, entry.pw_gid)

    def dsn(self, database: str, user: str = USER, password: str = PASSWORD) -> str:
        """The address of a database."""
        return f"postgresql://{user}:{password}@127.0.0.1:{self.port}/{database}"

    def make(self) -> None:
        """initdb: without fsync, as nothing here has to survive the machine."""
        word = self.folder / "password"
        word.write_text(PASSWORD)
        word.chmod(0o644)
        command = [str(program("initdb")), "-D", str(self.folder / "data"), "-U", USER, "-A", "scram-sha-256"]
        command += ["--pwfile", str(word), "-E", "UTF8", "--locale=C", "--no-sync"]
        subprocess.run(command, check=True, capture_output=True, cwd=self.folder, env=_bare(), **self._as)
        rules = self.folder / "data/pg_hba.conf"
        rules.write_text(f"host all,replication {KEYLESS} 127.0.0.1/32 trust\n{rules.read_text()}")

    def copy(self, port: int, name: str) -> None:
        """In place of `make`: become a standby, of this name, of the server at this port, which lets the user without a password in."""
        shutil.rmtree(self.folder / "data", ignore_errors=True)
        source = f"postgresql://{KEYLESS}@127.0.0.1:{port}/postgres?application_name={name}"
        command = [
            str(program("pg_basebackup")),
            "-D",
            str(self.folder / "data"),
            "-d",
            source,
            "-R",
            "-c",
            "fast",
            "--no-sync",
        ]
        subprocess.run(command, check=True, capture_output=True, cwd=self.folder, env=_bare(), **self._as)

    def start(self) -> None:
        """Start it; `ready` waits for it."""
        assert self._process is None
        options = {
            "listen_addresses": "127.0.0.1",
            "port": self.port,
            "unix_socket_directories": "",
            "fsync": self._fsync,
        }
        command = [str(program("postgres")), "-D", str(self.folder / "data")]
        for name, value in options.items():
            command += ["-c", f"{name}={value}"]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log, cwd=self.folder, env=_bare(), **self._as)

    async def ready(self) -> None:
        """Wait until it takes connections."""

        async def takes() -> bool:
            try:
                await (await asyncpg.connect(self.dsn("postgres"))).close()
            except (OSError, asyncpg.PostgresError):
                return False
            return True

        await eventually(takes, what="PostgreSQL takes connections")

    def stop(self, how: signal.Signals = signal.SIGQUIT) -> None:
        """End it; SIGQUIT at once, with every connection."""
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait()
            self._process = None

    async def database(self, name: str = "", template: str = "template1") -> str:
        """A new database; an empty one, unless another one is its template."""
        self._made += 1
        name = name or f"events_{self._made}"
        await self._run(f"CREATE DATABASE {name} TEMPLATE {template}")
        return name

    async def let_in(self, user: str) -> None:
        """Make a user that may do everything, if there is none."""
        with contextlib.suppress(asyncpg.DuplicateObjectError):
            await self._run(f"CREATE ROLE {user} SUPERUSER LOGIN")

    async def _run(self, sql: str) -> None:
        await self.ready()
        connection = await asyncpg.connect(self.dsn("postgres"))
        try:
            await connection.execute(sql)
        finally:
            await connection.close()

    async def run(self, statement: str) -> None:
        """Carry out a statement as its superuser."""
        connection = await asyncpg.connect(self.dsn("postgres"))
        try:
            await connection.execute(statement)
        finally:
            await connection.close()

    def close(self) -> None:
        """End it and give its port back."""
        self.stop()
        self._held.close()


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
    if program("initdb") is None or program("postgres") is None:
        pytest.skip("PostgreSQL's initdb and postgres are not on this machine: apt-get install postgresql")
    folder = Path(tempfile.mkdtemp(prefix="segment-router-postgres-"))
    server = Server(folder, fsync=fsync)
    try:
        yield server
    finally:
        server.close()
        shutil.rmtree(folder, ignore_errors=True)


def _users() -> set[str]:
    return {entry.pw_name for entry in pwd.getpwall()}


def _bare() -> dict[str, str]:
    """Without the PG* variables of the user's."""
    return {name: value for name, value in os.environ.items() if not name.startswith("PG")}
