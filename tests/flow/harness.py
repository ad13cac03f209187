"""Runs the daemon as its own process, with real sockets and a store on disk, and asks it what a user would ask.

    async with Daemon(tmp_path, [destination("hook", "collector", {"base_url": vendor.url})]) as daemon:
        await daemon.post("track", userId="u1", event="Opened", messageId="m1")
        await daemon.settled()
        daemon.kill()
        await daemon.restart()

A daemon that was ended by SIGTERM must have ended well: exit code 0, every line of its log JSON, no fault of its own.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from base64 import b64encode
from collections.abc import Awaitable, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar
from urllib.parse import quote

import aiohttp
import pytest

from router.store.postgres.database import connect
from router.testing.ports import HeldPort
from tests.flow import prepared
from tests.patience import HANG_S

ROOT = Path(__file__).parent.parent.parent
ISOLATED = ROOT / "tests/isolated"
PLUGINS = Path(__file__).parent / "plugins"
WRITE_KEY = "wk_test_123"
AUTHORIZATION = {"Authorization": "Basic " + b64encode(f"{WRITE_KEY}:".encode()).decode()}
SEVEN = ("delivered", "skipped", "filtered", "held", "retrying", "queued", "dead")
FINAL = ("delivered", "skipped", "filtered", "dead")
LOOKS = 50
"""So often in a row a message has the same final state before a test stops waiting for another one."""
START_S = HANG_S

Table = dict[str, Any]
T = TypeVar("T")


def destination(name: str, plugin: str, settings: Mapping[str, Any], **tables: Any) -> Table:
    """A `[[destination]]` table; `tables` are its other keys."""
    return {"name": name, "plugin": plugin, "settings": dict(settings), **tables}


def serve_command(config: Path) -> list[str]:
    """The command line that starts a daemon."""
    return [sys.executable, "-m", "router", "serve", "--config", str(config)]


async def eventually(look: Callable[[], Awaitable[T]], within_s: float = HANG_S, what: str = "") -> T:
    """What `look` returns as soon as it is true. Raises AssertionError with its last answer when the time is over. The longer it takes, the
    longer are the pauses: to ask takes processor time, of the daemon, too."""
    began = time.monotonic()
    while True:
        found = await look()
        if found:
            return found
        waited_s = time.monotonic() - began
        assert waited_s < within_s, f"not within {within_s:g} s: {what or look}"
        await asyncio.sleep(min(max(waited_s / 10, 0.02), 0.1))


def assert_ledger_adds_up(ledger: Mapping[str, Any], starts: Mapping[str, int] | None = None) -> None:
    """At each destination the seven states count every event accepted since it began, and none is below zero."""
    for name, counts in ledger["destinations"].items():
        begun = (starts or {}).get(name, 0)
        assert all(counts[state] >= 0 for state in SEVEN), (name, counts)
        assert sum(counts[state] for state in SEVEN) == ledger["accepted"] - begun, (name, ledger["accepted"], counts)


class Daemon:
    """One daemon in a folder of its own. `tables`: further sections of config.toml, by name."""

    patience_s = START_S  #: for its start, for an answer, and for its end

    def __init__(self, folder: Path, destinations: Sequence[Table], **tables: Table) -> None:
        self.folder = folder
        self.destinations = list(destinations)
        self.tables = tables
        self.plugins = PLUGINS  #: its folder of single-file plugins
        self.source: Table = {}  #: further keys of its first source
        self.more_sources: list[Table] = []
        self.config = folder / "config.toml"
        self.store = folder / "router.db"
        self.database = str(
            tables.get("store", {}).get("url", "")
        )  #: of the store, where `tables` says that it has one
        self._held = HeldPort(), HeldPort()
        self.port, self.admin_port = (held.number for held in self._held)
        self.url = f"http://127.0.0.1:{self.port}"
        self.admin_url = f"http://127.0.0.1:{self.admin_port}"
        self.process: subprocess.Popen[bytes] | prepared.Forked | None = None
        self._log = folder / "daemon.log"

    async def __aenter__(self) -> Self:
        self._http = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=self.patience_s))
        self.write_config()
        try:
            await self.start()
        except BaseException:
            await self._leave()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(error, pytest.skip.Exception):
            await self._leave()
            return
        if error is not None:
            ended = self.process.poll() if self.process is not None else None
            state = "runs" if ended is None else f"ended by itself with {ended}"
            error.add_note(f"---- the daemon {state}; its log ends:\n{self._tail()}")
            await self._leave()
            return
        await self._http.close()  # the stop waits 0.6 s for what may come on a connection that is open
        try:
            if self.process is not None:
                assert await self.terminate() == 0, self._tail()
            self.assert_no_fault()
        finally:
            await self._leave()

    async def _leave(self) -> None:
        self.kill()
        await self._http.close()
        for held in self._held:
            held.close()

    # ------------------------------------------------------------ the process

    def write_config(self) -> None:
        """Write config.toml as `destinations` and `tables` say."""
        tables: dict[str, Table] = {
            "server": {"listen": f"127.0.0.1:{self.port}"},
            "admin": {"listen": f"127.0.0.1:{self.admin_port}"},
            "store": {} if self.database else {"url": f"sqlite:{self.store.name}", "min_free": "1MB"},
            "log": {"format": "json"},
        }
        for name, table in self.tables.items():
            tables[name] = {**tables.get(name, {}), **table}
        lines = [f'plugins_dir = "{self.plugins}"']
        for name, table in tables.items():
            lines += [f"[{name}]", *_keys(table)]
        lines += ["[[source]]", *_keys({"name": "website", "write_key": WRITE_KEY, **self.source})]
        for table in self.more_sources:
            lines += ["[[source]]", *_keys(table)]
        for table in self.destinations:
            lines += ["[[destination]]", *_keys(table)]
        self.config.write_text("\n".join(lines) + "\n", encoding="utf-8")

    def spawn(self) -> None:
        """Start the process and do not wait for it."""
        assert self.process is None
        command = serve_command(self.config)
        with self._log.open("ab") as log:
            if command[1:3] == ["-m", "router"]:
                self.process = prepared.start(command[3:], self.folder, environment(), log.fileno())
            else:
                self.process = subprocess.Popen(
                    command, cwd=self.folder, stdout=log, stderr=subprocess.STDOUT, env=environment()
                )

    async def start(self) -> None:
        """Start the process and wait until it is ready."""
        self.spawn()
        await self.ready()

    async def ready(self) -> None:
        """Wait for `/readyz`, and until events are taken."""
        await eventually(self.is_ready, self.patience_s, "the daemon is ready")
        await eventually(self._is_open, self.patience_s, "events are taken")

    async def _is_open(self) -> bool:
        try:
            async with self._http.post(f"{self.url}/v1/m", json={}, headers=AUTHORIZATION):
                return True
        except aiohttp.ClientError:
            return False

    async def is_ready(self) -> bool:
        """Whether `/readyz` says so now. The process must be alive."""
        assert self.process is not None
        assert self.process.poll() is None, f"ended with {self.process.returncode}:\n{self._tail()}"
        try:
            async with self._http.get(f"{self.admin_url}/readyz") as answer:
                return answer.status == 200
        except aiohttp.ClientError:
            return False

    def kill(self) -> None:
        """SIGKILL: the process has no say in it."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    async def kill_after(self, seconds: float) -> None:
        """SIGKILL at that instant from now, wherever the process may be by then."""
        await asyncio.sleep(seconds)
        self.kill()

    async def terminate(self) -> int:
        """SIGTERM; returns the exit code."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        return await self.ended()

    async def ended(self) -> int:
        """Wait for its end; returns the exit code."""
        process = self.process
        assert process is not None

        async def has_ended() -> bool:
            return process.poll() is not None

        await eventually(has_ended, self.patience_s, "the daemon ends")
        self.process = None
        return process.wait()

    async def restart(self) -> None:
        """Start again after `kill` or `terminate`."""
        await self.start()

    def memory_kb(self) -> dict[str, int]:
        """VmRSS and VmHWM of the process, in KiB."""
        assert self.process is not None
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        fields = (line.split() for line in status.splitlines())
        return {words[0].rstrip(":"): int(words[1]) for words in fields if words[0] in ("VmRSS:", "VmHWM:")}

    # ------------------------------------------------------------ its log and its store

    def log(self, event: str | None = None) -> list[dict[str, Any]]:
        """The lines of its log, all or those of one name. A line cut by SIGKILL is left out."""
        lines = []
        for line in self._log.read_bytes().splitlines() if self._log.exists() else []:
            try:
                lines.append(json.loads(line))
            except ValueError:
                assert line.startswith(b"{"), f"not a line of JSON: {line!r}\n{self._tail()}"
        return [line for line in lines if event is None or line["event"] == event]

    async def logged(self, event: str) -> list[dict[str, Any]]:
        """The lines of this name, once there are any: they are written at the end of the loop's turn, so a line may come just
        after the answer."""

        async def lines() -> list[dict[str, Any]]:
            return self.log(event)

        return await eventually(lines, what=f"the log has a line {event}")

    def assert_no_fault(self) -> None:
        """The daemon never met a fault of its own."""
        of_plugins = ("plugin_failed", "loop_held")
        errors = [line for line in self.log() if line["level"] == "error" and line["event"] not in of_plugins]
        faults = [line for line in errors if "saboteur" not in str(line)]  # what that plugin does is its own
        assert not faults, faults[0].get("detail", faults[0])

    def rows(self, sql: str) -> list[Any]:
        """Ask the store itself, read-only."""
        if self.database:
            with ThreadPoolExecutor(1) as thread:  # a loop runs in this one
                return thread.submit(asyncio.run, _rows_of(self.database, sql)).result()
        db = sqlite3.connect(f"file:{quote(str(self.store))}?mode=ro", uri=True)
        try:
            return db.execute(sql).fetchall()
        finally:
            db.close()

    def _tail(self) -> str:
        return self._log.read_text(errors="replace")[-6000:] if self._log.exists() else "(no log)"

    # ------------------------------------------------------------ ingestion

    async def post(self, type: str, **call: Any) -> None:
        """Send one call; it must be answered 200."""
        async with self._http.post(f"{self.url}/v1/{type}", json=call, headers=AUTHORIZATION) as answer:
            assert answer.status == 200, (answer.status, await answer.text())

    async def offer(self, type: str, **call: Any) -> tuple[int, dict[str, Any]]:
        """Send one call, whatever the answer is. Returns status and body."""
        async with self._http.post(f"{self.url}/v1/{type}", json=call, headers=AUTHORIZATION) as answer:
            return answer.status, await answer.json()

    async def batch(self, calls: Sequence[Mapping[str, Any]], write_key: str = WRITE_KEY) -> None:
        """Send calls in one request; it must be answered 200."""
        body = {"batch": calls, "writeKey": write_key}
        async with self._http.post(f"{self.url}/v1/batch", json=body, headers=AUTHORIZATION) as answer:
            assert answer.status == 200, (answer.status, await answer.text())

    async def post_until_taken(self, type: str, call: Mapping[str, Any], within_s: float = HANG_S) -> int:
        """Send one call, and the same again after a lost connection or a 503, until it gets its 200. Returns how often."""
        tries = 0

        async def taken() -> bool:
            nonlocal tries
            tries += 1
            try:
                async with self._http.post(f"{self.url}/v1/{type}", json=call, headers=AUTHORIZATION) as answer:
                    assert answer.status in (200, 503), (answer.status, await answer.text())
                    return answer.status == 200
            except aiohttp.ClientError:
                return False

        await eventually(taken, within_s, f"{call} gets its 200")
        return tries

    # ------------------------------------------------------------ the admin API

    async def admin(self, method: str, path: str, body: object = None) -> tuple[int, dict[str, Any]]:
        """Ask the admin API. Returns status and body."""
        given = {} if body is None and method == "POST" else body
        async with self._http.request(method, self.admin_url + path, json=given) as answer:
            return answer.status, await answer.json()

    async def page(self, path: str) -> tuple[int, str]:
        """What a browser sees: status and text."""
        async with self._http.get(self.admin_url + path) as answer:
            return answer.status, await answer.text()

    async def get(self, path: str) -> dict[str, Any]:
        """Read from the admin API; it must be there."""
        status, body = await self.admin("GET", path)
        assert status == 200, (path, status, body)
        return body

    async def ledger(self) -> dict[str, Any]:
        """The ledger."""
        return await self.get("/api/ledger")

    async def counts(self, name: str) -> dict[str, Any]:
        """What the ledger says of one destination."""
        counts: dict[str, Any] = (await self.ledger())["destinations"][name]
        return counts

    async def message(self, message_id: str) -> dict[str, Any]:
        """The fate of a message."""
        return await self.get(f"/api/messages/{quote(message_id, safe='')}")

    async def fate(self, message_id: str, name: str) -> tuple[str, str]:
        """State and reason of a message at one destination."""
        fate = (await self.message(message_id))["destinations"][name]
        return fate["state"], fate["reason"]

    async def held(self, name: str) -> dict[str, Any]:
        """Who is held at a destination, and why."""
        return await self.get(f"/api/destinations/{name}/held")

    async def reload(self) -> None:
        """Write config.toml anew and have it read; it must be taken."""
        self.write_config()
        status, body = await self.admin("POST", "/api/reload")
        assert status == 200, body

    async def settled(self, *names: str, within_s: float = HANG_S) -> dict[str, Any]:
        """Wait until nothing is queued or retrying at these destinations (at all of them). Returns that ledger."""
        return await self._without(("queued", "retrying"), names, within_s)

    async def emptied(self, *names: str, within_s: float = HANG_S) -> dict[str, Any]:
        """Wait until nothing is held either."""
        return await self._without(("queued", "retrying", "held"), names, within_s)

    async def _without(self, states: Sequence[str], names: Sequence[str], within_s: float) -> dict[str, Any]:
        last: dict[str, Any] = {}

        async def at_rest() -> bool:
            last.update(await self.ledger())
            wanted = names or tuple(last["destinations"])
            assert_ledger_adds_up(last, self.starts())
            return all(last["destinations"][name][state] == 0 for name in wanted for state in states)

        try:
            await eventually(at_rest, within_s, f"nothing is {' or '.join(states)}")
        except AssertionError as error:
            error.add_note(json.dumps(last, indent=1))
            raise
        return last

    def starts(self) -> dict[str, int]:
        """Where each destination began: 0, but for those that were added later."""
        return {line["destination"]: line["cursor"] for line in self.log("destination_added")}

    async def becomes(self, message_id: str, name: str, state: str, reason: str | None = None) -> None:
        """Wait until a message is in this state at a destination. It is in vain at once where it stays in another one that is final."""
        last, looks = ("", ""), 0

        async def there() -> bool:
            nonlocal last, looks
            fate = await self.fate(message_id, name)
            last, looks = fate, looks + 1 if fate == last else 1
            if fate[0] == state and reason in (None, fate[1]):
                return True
            if fate[0] in FINAL and looks % LOOKS == 0:
                assert await self._replays(name), f"{message_id} never is {state} {reason or ''} at {name}"
            return False

        try:
            await eventually(there, HANG_S, f"{message_id} is {state} {reason or ''} at {name}")
        except AssertionError as error:
            error.add_note(f"it is {last}")
            raise

    async def _replays(self, name: str) -> bool:
        """Whether a replay is under way, or nobody can tell: nothing else takes an event out of a final state."""
        status, replay = await self.admin("GET", f"/api/destinations/{name}/replay")
        return status != 200 or replay["state"] == "running"


async def _rows_of(dsn: str, sql: str) -> list[Any]:
    connection = await connect(dsn)
    try:
        return [tuple(row) for row in await connection.fetch(sql)]
    finally:
        await connection.close()


def environment() -> dict[str, str]:
    """The environment of a process under test: nothing of systemd's, our own router, and nothing of the user's."""
    ours = {key: value for key, value in os.environ.items() if not key.startswith(("SEGMENT_ROUTER", "JOURNAL"))}
    ours.pop("STATE_DIRECTORY", None)
    return {**ours, "PYTHONPATH": f"{ISOLATED}{os.pathsep}{ROOT}"}


def unmeasured() -> dict[str, str]:
    """The same, without coverage: where it would be in the way, as it imports sqlite3 and writes a file of ours; and for a process that is
    killed, of which it writes nothing."""
    return {key: value for key, value in environment().items() if not key.startswith("COVERAGE")}


def _keys(table: Table) -> list[str]:
    return [f"{name} = {_toml(value)}" for name, value in table.items()]


def _toml(value: object) -> str:
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{json.dumps(key)} = {_toml(inner)}" for key, inner in value.items()) + " }"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_toml, value)) + "]"
    return json.dumps(str(value) if isinstance(value, Path) else value)
