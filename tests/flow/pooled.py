"""A PgBouncer in transaction mode before a server, as docs/cluster/managed.md shows it."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg
import pytest

from router.testing.ports import HeldPort
from tests.docs.pages import ROOT, blocks
from tests.flow.harness import eventually
from tests.postgres_server import Server

PAGE = ROOT / "docs/cluster/managed.md"
PASSWORD = "p4ss-of-the-pool"


def shown() -> str:
    """Its configuration on the page."""
    (block,) = blocks(PAGE, "text")
    return block.text


def settings(user: str) -> list[str]:
    """What the page gives to the user of the router."""
    (block,) = [block for block in blocks(PAGE, "sql") if "ALTER ROLE" in block.text]
    return [line.replace("ALTER ROLE router", f"ALTER ROLE {user}") for line in block.text.splitlines()]


@asynccontextmanager
async def pooled(folder: Path, server: Server, database: str) -> AsyncIterator[str]:
    """The address of the database through it, with a user of its own. Skips the test where the program is not on the machine."""
    program = shutil.which("pgbouncer") or shutil.which("pgbouncer", path="/usr/sbin")
    if program is None:
        pytest.skip("there is no pgbouncer on this machine: apt-get install pgbouncer")
    user = f"of_{database}"
    await server.run(f"CREATE ROLE {user} LOGIN PASSWORD '{PASSWORD}'")
    for statement in settings(user):
        await server.run(statement)
    await server.run(f"ALTER DATABASE {database} OWNER TO {user}")
    held = HeldPort()
    process = _start(program, folder, server, database, held.number)
    dsn = f"postgresql://{user}:{PASSWORD}@127.0.0.1:{held.number}/{database}"

    async def takes() -> bool:
        assert process.poll() is None, _said(folder)
        try:
            await (await asyncpg.connect(dsn, statement_cache_size=0)).close()
        except (OSError, asyncpg.PostgresError):
            return False
        return True

    try:
        await eventually(takes, what="PgBouncer takes connections")
        yield dsn
    finally:
        process.terminate()
        process.wait()
        held.close()


def _said(folder: Path) -> str:
    return (folder / "said").read_text()


def _start(program: str, folder: Path, server: Server, database: str, port: int) -> subprocess.Popen[bytes]:
    folder.mkdir()
    users = folder / "userlist.txt"
    users.write_text(f'"of_{database}" "{PASSWORD}"\n')
    text = shown().replace("listen_port = 6432", f"listen_port = {port}\nlisten_addr = 127.0.0.1")
    there = f"{database} = host=127.0.0.1 port={server.port} dbname={database}"
    text = text.replace("router = host=db.internal port=5432 dbname=router", there)
    text = text.replace("/etc/pgbouncer/userlist.txt", str(users)) + "unix_socket_dir =\n"
    (folder / "pgbouncer.ini").write_text(text)
    command = [program, *(["-u", _nobody(folder)] if os.geteuid() == 0 else []), str(folder / "pgbouncer.ini")]
    with (folder / "said").open("wb") as said:
        return subprocess.Popen(command, stdout=said, stderr=said)


def _nobody(folder: Path) -> str:
    """It does not run as root: the name of a user that may read its folder."""
    for path in (folder, *folder.parents[:3]):
        if path.stat().st_uid == 0:
            path.chmod(path.stat().st_mode | 0o055)
    (folder / "userlist.txt").chmod(0o644)
    return next(entry.pw_name for entry in pwd.getpwall() if entry.pw_name in ("postgres", "nobody"))
