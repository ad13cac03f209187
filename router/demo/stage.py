"""What the demo runs with: three vendors that are real HTTP servers, and a daemon that can be started, asked and killed."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import aiohttp
import msgspec

from router.clock import SystemClock
from router.errors import RouterError

PATIENCE_S = 120.0
LOOK_AGAIN_S = 0.05

CONFIG = """\
[server]
listen = "127.0.0.1:{ingest}"
[admin]
listen = "127.0.0.1:{admin}"
[store]
url = "sqlite:router.db"
min_free = "10MB"
[[source]]
name = "website"
write_key = "demo"

[[destination]]
name = "clientsuccess"
plugin = "clientsuccess"
settings = {{ project_id = "demo", api_key = "demo-key", base_url = "{clientsuccess}" }}
[[destination]]
name = "freshsuccess"
plugin = "freshsuccess"
[destination.settings]
event_auth_key = "demo-auth"
event_api_key = "demo-send"
account_api_key = "demo-account"
events_base_url = "{freshsuccess}"
api_base_url = "{freshsuccess}"
send_pages = true
[[destination]]
name = "braze"
plugin = "braze"
settings = {{ api_key = "demo-key", base_url = "{braze}", track_all_pages = true }}
"""


class DemoFailed(RouterError):
    """Something that the demo shows did not happen."""


class Stage:
    """A folder, and a daemon in it that can be started, asked and killed."""

    def __init__(self, folder: Path, admin: str, session: aiohttp.ClientSession) -> None:
        self._folder, self._admin, self._session = folder, admin, session
        self._clock = SystemClock()
        # what systemd gave this process, and what another config.toml needs, is not the demo's
        self._command = os.environ.get("SEGMENT_ROUTER_COMMAND", "segment-router")
        mine = {"SEGMENT_ROUTER_CONFIG": str(folder / "config.toml"), "SEGMENT_ROUTER_COMMAND": self._command}
        taken = ("STATE_DIRECTORY", "NOTIFY_SOCKET", "WATCHDOG_", "LISTEN_", "SEGMENT_ROUTER_")
        self._environ = {k: v for k, v in os.environ.items() if not k.startswith(taken)} | mine

    @asynccontextmanager
    async def daemon(self) -> AsyncIterator[asyncio.subprocess.Process]:
        """A daemon of its own process, once it is ready; dead when left, whatever happened."""
        with (self._folder / "daemon.log").open("ab") as log:
            process = await self._child("serve", stdout=log)
        try:
            await self._patiently(lambda: self._ready(process), "the daemon to be ready")
            yield process
        finally:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()

    async def _ready(self, process: asyncio.subprocess.Process) -> bool:
        check(process.returncode is None, "the daemon runs (daemon.log has its words)", quiet=True)
        try:
            async with self._session.get(f"{self._admin}/readyz") as answer:
                return answer.status == 200
        except aiohttp.ClientError:
            return False

    async def _child(self, *words: str, stdout: Any) -> asyncio.subprocess.Process:
        command = (sys.executable, "-m", "router", *words)
        return await asyncio.create_subprocess_exec(
            *command, stdout=stdout, stderr=asyncio.subprocess.STDOUT, cwd=self._folder, env=self._environ
        )

    async def verb(self, *words: str) -> None:
        """Run a verb of the command line, and show it with what it says."""
        print(f"\n    $ {self._command} {' '.join(words)}", flush=True)
        process = await self._child(*words, stdout=asyncio.subprocess.PIPE)
        said, _ = await process.communicate()
        for line in said.decode("utf-8", "replace").splitlines():
            print(f"    {line}".rstrip(), flush=True)
        check(process.returncode == 0, f"{words[0]} does its work", quiet=True)

    async def send(self, name: str, calls: Iterable[object]) -> None:
        """Send these calls, in order, by a file of one a line."""
        (self._folder / name).write_bytes(b"".join(msgspec.json.encode(call) + b"\n" for call in calls))
        await self.verb("send", name)

    async def api(self, path: str) -> Any:
        """Ask the admin API."""
        async with self._session.get(f"{self._admin}{path}") as answer:
            check(answer.status == 200, f"{path} answers", quiet=True)
            return await answer.json()

    async def until(self, holds: Callable[[dict[str, Any]], bool], words: str) -> None:
        """Wait until something holds of the ledger's destinations."""

        async def look() -> bool:
            return holds((await self.api("/api/ledger"))["destinations"])

        await self._patiently(look, words)

    async def _patiently(self, holds: Callable[[], Awaitable[bool]], words: str) -> None:
        end = self._clock.monotonic() + PATIENCE_S
        while not await holds():
            check(self._clock.monotonic() < end, f"waited {PATIENCE_S:g} s for {words}", quiet=True)
            await self._clock.sleep(LOOK_AGAIN_S)


def tell(words: str) -> None:
    """A line of the story."""
    print(f"\n{words}", flush=True)


def check(holds: bool, words: str, *, quiet: bool = False) -> None:
    """Tick off what was looked up. Raises DemoFailed where it does not hold; `quiet` says nothing otherwise."""
    if not holds:
        raise DemoFailed(words)
    if not quiet:
        print(f"  ✓ {words}", flush=True)
