"""The daemon under test: configured in a folder of its own, started, asked for its ledger, stopped, and its store counted."""

from __future__ import annotations

import asyncio
import http.client
import socket
import sqlite3
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import msgspec

from router.bench.child import CLIENT_CORE, SERVER_CORE, Child, call
from router.bench.load import Load, Loaded
from router.bench.workload import WRITE_KEY, Workload
from router.store.questions import open_questions

READY_S = 30.0
POLL_S = 0.05


class Receiver(msgspec.Struct, frozen=True):
    """A destination of the daemon: how the sink answers it (ok, slow, fail; the vendor of `live` also hang, limit), and the plugin's settings."""

    name: str
    manner: str = "ok"
    pack: int = 75
    gated: bool = False


class Subject:
    """A running daemon."""

    def __init__(self, folder: Path, child: Child, ingest_port: int, admin_port: int) -> None:
        self.folder, self.child, self.port = folder, child, ingest_port
        self._admin_port = admin_port

    def ledger(self) -> dict[str, Any]:
        """What the daemon has counted."""
        ledger: dict[str, Any] = get_json(self._admin_port, "/api/ledger")
        return ledger

    def wait_until_ready(self) -> None:
        """Return once it answers. Raises RuntimeError when it does not come up."""
        deadline = time.monotonic() + READY_S
        while time.monotonic() < deadline and self.child.running:
            try:
                get_json(self._admin_port, "/readyz")
            except OSError:
                time.sleep(POLL_S)
            else:
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

    def restart_killed(self) -> None:
        """SIGKILL it, start it on the same store, and return once it answers."""
        self.child.restart_killed()
        self.wait_until_ready()

    def stop(self) -> tuple[dict[str, Any], int]:
        """End it in good order. Returns the ledger as its store has it, and how many events its log holds.

        Raises:
            RuntimeError: it did not end well.
        """
        code = self.child.terminate()
        if code:
            words = (self.folder / "daemon.log").read_text(errors="replace")[-2000:]
            raise RuntimeError(f"the daemon ended with {code}:\n{words}")
        path = self.folder / "router.db"
        with closing(sqlite3.connect(path)) as db:
            stored: int = db.execute("SELECT count(*) FROM log").fetchone()[0]
        return asyncio.run(_ledger(path)), stored

    def store_mb(self) -> tuple[float, float]:
        """Size of the database and of its WAL, in megabytes."""
        sizes = [path.stat().st_size / 1e6 if path.exists() else 0.0 for path in _store_files(self.folder)]
        return sizes[0], sizes[1]


@contextmanager
def daemon(receivers: Sequence[Receiver] = (), sink_port: int = 0, *, parent: Path | None = None) -> Iterator[Subject]:
    """A daemon on a fresh store, ready to be sent to."""
    with tempfile.TemporaryDirectory(prefix="bench-", dir=parent) as name:
        folder = Path(name)
        ports = free_ports(2)
        config = write_config(folder, receivers, sink_port, ports)
        with Child("daemon", SERVER_CORE, log=folder / "daemon.log", config=str(config)) as child:
            subject = Subject(folder, child, *ports)
            try:
                subject.wait_until_ready()
                yield subject
            finally:
                if child.running:
                    child.terminate()


def write_config(
    folder: Path, receivers: Sequence[Receiver] = (), sink_port: int = 0, ports: Sequence[int] = (0, 0)
) -> Path:
    """A config.toml with one source and these destinations."""
    lines = [
        f'plugins_dir = "{Path(__file__).parent / "plugins"}"',
        f'[server]\nlisten = "127.0.0.1:{ports[0]}"\n[admin]\nlisten = "127.0.0.1:{ports[1]}"',
        '[store]\nurl = "sqlite:router.db"\nmin_free = "64MB"\n[log]\nlevel = "warning"\nformat = "json"',
        f'[[source]]\nname = "bench"\nwrite_key = "{WRITE_KEY}"',
    ]
    for r in receivers:
        url = f"http://127.0.0.1:{sink_port}/{r.manner}/{r.name}"
        lines += [
            f'[[destination]]\nname = "{r.name}"\nplugin = "bench_sink"\nmode = "live"',
            f'[destination.settings]\nurl = "{url}"\npack = {r.pack}\ngated = {str(r.gated).lower()}',
        ]
    path = folder / "config.toml"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def send(port: int, pid: int, workload: Workload, connections: int, seconds: float, own: Sequence[int] = ()) -> Loaded:
    """Load a server from a process of its own. `own`: further processes of this run."""
    load = Load(port, workload, connections, seconds, min(0.5, seconds / 4), pid, (pid, *own))
    return call("load", CLIENT_CORE, Loaded, load=load)


def free_ports(n: int) -> list[int]:
    """Ports of the loopback interface that nobody listens on now."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(n)]
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


def get_json(port: int, path: str) -> Any:
    """The JSON that a server on the loopback interface answers. Raises OSError when it does not."""
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=10)) as connection:
        connection.request("GET", path)
        return msgspec.json.decode(connection.getresponse().read())


def _store_files(folder: Path) -> tuple[Path, Path]:
    return folder / "router.db", folder / "router.db-wal"


async def _ledger(path: Path) -> dict[str, Any]:
    async with open_questions(path) as questions:
        return await questions.ledger(await questions.destinations())
