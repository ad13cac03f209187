"""A PostgreSQL server of its own for a run: made by initdb in a folder, on a port of its own.

PostgreSQL does not run as root: there, it runs as the user `postgres`, or `nobody`.
"""

from __future__ import annotations

import asyncio
import os
import pwd
import shutil
import signal
import subprocess
from pathlib import Path
from typing import Any

import asyncpg

from router.bench.measure import tree_cpu_s
from router.testing.ports import HeldPort

USER, PASSWORD = "postgres", "p4ssw0rd-s3cret"
READY_S, READY_POLL_S = 120.0, 0.05


def program(name: str) -> str | None:
    """The path of one of PostgreSQL's programs, in the newest version on this machine."""
    of_debian = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), key=lambda path: int(path.parts[4]))
    return str(of_debian[-1]) if of_debian else shutil.which(name)


def is_installed() -> bool:
    """Whether a server can be made here."""
    return program("initdb") is not None and program("postgres") is not None


class OwnServer:
    """The server. `fsync`: it keeps what it has acknowledged, as a daemon asks of its store."""

    def __init__(self, folder: Path, *, fsync: bool = True) -> None:
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
        """initdb, which itself does not wait for the disk."""
        word = self.folder / "password"
        word.write_text(PASSWORD)
        word.chmod(0o644)
        options = ["-D", str(self.folder / "data"), "-U", USER, "-A", "scram-sha-256"]
        self.carry_out("initdb", *options, "--pwfile", str(word), "-E", "UTF8", "--locale=C", "--no-sync")

    def carry_out(self, name: str, *options: str) -> None:
        """Run one of PostgreSQL's programs to its end."""
        command = [str(program(name)), *options]
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
        """Wait until it takes connections. Raises TimeoutError when it does not come up."""
        async with asyncio.timeout(READY_S):
            while True:
                try:
                    await (await asyncpg.connect(self.dsn("postgres"))).close()
                except (OSError, asyncpg.PostgresError):
                    await asyncio.sleep(READY_POLL_S)
                else:
                    return

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
        await self.ready()
        await self.run(f"CREATE DATABASE {name} TEMPLATE {template}")
        return name

    async def run(self, statement: str) -> None:
        """Carry out a statement as its superuser."""
        connection = await asyncpg.connect(self.dsn("postgres"))
        try:
            await connection.execute(statement)
        finally:
            await connection.close()

    def cpu_s(self) -> float:
        """Processor time of all its processes, those that have ended included."""
        return tree_cpu_s(self._process.pid) if self._process else 0.0

    def close(self) -> None:
        """End it and give its port back."""
        self.stop()
        self._held.close()


def _users() -> set[str]:
    return {entry.pw_name for entry in pwd.getpwall()}


def _bare() -> dict[str, str]:
    """Without the PG* variables of the user's."""
    return {name: value for name, value in os.environ.items() if not name.startswith("PG")}
