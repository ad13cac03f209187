"""The daemon under test: configured in a folder of its own, started, asked for its ledger, stopped, and its store counted."""

from __future__ import annotations

import asyncio
import http.client
import sqlite3
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any

import msgspec

from router.bench.child import CLIENT_CORE, SERVER_CORE, Child, call
from router.bench.config import STORE, Receiver, write_config
from router.bench.load import Load, Loaded
from router.bench.workload import Workload
from router.store.sqlite.queries import open_queries
from router.testing.ports import HeldPort

READY_S = 120.0
READY_POLL_S, POLL_S = 0.01, 0.05
STORED_S = 30.0
"""At the most until the outcome of the last delivery is in a database."""


class Subject:
    """A running daemon."""

    def __init__(self, folder: Path, child: Child, ingest_port: int, admin_port: int, url: str = STORE) -> None:
        self.folder, self.child, self.port, self.admin_port, self.url = folder, child, ingest_port, admin_port, url
        self.start_s = 0.0  #: from the start of its process until it answered

    def ledger(self) -> dict[str, Any]:
        """What the daemon has counted."""
        ledger: dict[str, Any] = get_json(self.admin_port, "/api/ledger")
        return ledger

    def wait_until_ready(self) -> None:
        """Return once it answers. Raises RuntimeError when it does not come up."""
        began = time.monotonic()
        while time.monotonic() < began + READY_S and self.child.running:
            try:
                get_json(self.admin_port, "/readyz")
            except OSError:
                time.sleep(READY_POLL_S)
            else:
                self.start_s = time.monotonic() - began
                return
        words = (self.folder / "daemon.log").read_text(errors="replace")[-2000:]
        raise RuntimeError(f"the daemon did not come up:\n{words}")

    def wait_until_done(self, names: Sequence[str], seconds: float) -> float:
        """Wait until these destinations have nothing queued, held or retrying. Returns for how long (s), at most `seconds`."""
        began = time.monotonic()
        while time.monotonic() - began < seconds:
            rows = self.ledger()["destinations"]
            if all(not (rows[name]["queued"] + rows[name]["held"] + rows[name]["retrying"]) for name in names):
                break
            time.sleep(POLL_S)
        return time.monotonic() - began

    def pause(self, name: str) -> None:
        """Let a destination send nothing."""
        post(self.admin_port, f"/api/destinations/{name}/pause")

    def resume(self, name: str) -> None:
        """Let it send again."""
        post(self.admin_port, f"/api/destinations/{name}/resume")

    def restart_killed(self) -> None:
        """SIGKILL it, start it on the same store, and return once it answers."""
        self.child.restart_killed()
        self.wait_until_ready()

    def end(self) -> None:
        """End it in good order. Raises RuntimeError when it did not end well."""
        code = self.child.terminate()
        if code:
            words = (self.folder / "daemon.log").read_text(errors="replace")[-2000:]
            raise RuntimeError(f"the daemon ended with {code}:\n{words}")

    def stop(self) -> tuple[dict[str, Any], int]:
        """End it in good order. Returns the ledger as its store has it, and how many events its log holds.

        Raises:
            RuntimeError: it did not end well.
        """
        if self.url != STORE:
            self.wait_until_done(list(self.ledger()["destinations"]), STORED_S)
            ledger = self.ledger()
            self.end()
            return ledger, asyncio.run(events_in(self.url))
        self.end()
        path = self.folder / "router.db"
        with closing(sqlite3.connect(path)) as db:
            stored: int = db.execute("SELECT count(*) FROM log").fetchone()[0]
        return asyncio.run(_ledger(path)), stored

    def store_mb(self) -> tuple[float, float]:
        """Size of the database and of its WAL, in megabytes."""
        sizes = [path.stat().st_size / 1e6 if path.exists() else 0.0 for path in _store_files(self.folder)]
        return sizes[0], sizes[1]


@contextmanager
def daemon(
    receivers: Sequence[Receiver] = (),
    sink_port: int = 0,
    *,
    parent: Path | None = None,
    folder: Path | None = None,
    decisions: str = "all",
    sample: float = 0.0,
    url: str = STORE,
) -> Iterator[Subject]:
    """A daemon, ready to be sent to: on the store of this folder, else on a fresh one. Its log goes to a file there. `sample`: the share of
    requests whose spans go to the sink."""
    with ExitStack() as stack:
        if folder is None:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-", dir=parent)))
        ports = [stack.enter_context(closing(HeldPort())).number for _ in range(2)]
        config = write_config(folder, receivers, sink_port, ports, decisions, sample, url)
        child = stack.enter_context(Child("daemon", SERVER_CORE, log=folder / "daemon.log", config=str(config)))
        subject = Subject(folder, child, ports[0], ports[1], url)
        try:
            subject.wait_until_ready()
            yield subject
        finally:
            if child.running:
                child.terminate()


def send(port: int, pid: int, workload: Workload, connections: int, seconds: float, own: Sequence[int] = ()) -> Loaded:
    """Load a server from a process of its own. `own`: further processes of this run."""
    load = Load(port, workload, connections, seconds, min(0.5, seconds / 4), pid, (pid, *own))
    return call("load", CLIENT_CORE, Loaded, load=load)


def get_json(port: int, path: str) -> Any:
    """The JSON that a server on the loopback interface answers. Raises OSError when it does not."""
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=10)) as connection:
        connection.request("GET", path)
        return msgspec.json.decode(connection.getresponse().read())


def post(port: int, path: str) -> None:
    """POST to a server on the loopback interface. Raises OSError when it is not done."""
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=10)) as connection:
        connection.request("POST", path, body=b"{}", headers={"Content-Type": "application/json"})
        answer = connection.getresponse()
        if answer.status != 200:
            raise OSError(f"POST {path}: {answer.status} {answer.read(500)!r}")


def _store_files(folder: Path) -> tuple[Path, Path]:
    return folder / "router.db", folder / "router.db-wal"


async def events_in(url: str) -> int:
    """How many events the log in a database holds."""
    from router.store.postgres.database import connect

    connection = await connect(url)
    try:
        return int(await connection.fetchval("SELECT coalesce(sum(n), 0) FROM block"))
    finally:
        await connection.close()


async def _ledger(path: Path) -> dict[str, Any]:
    async with open_queries(path) as questions:
        return await questions.ledger(await questions.destinations())
