"""How long a browser takes from an address to the first words of a page: Chromium, asked over its DevTools protocol.

Each look is that of somebody who was never here: a profile of its own, so nothing is in a cache.
Source: https://chromedevtools.github.io/devtools-protocol/ and https://www.w3.org/TR/paint-timing/ ("first-contentful-paint").
"""

from __future__ import annotations

import asyncio
import itertools
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import aiohttp

OPTIONS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--remote-debugging-port=0",
)
PAINTED = """new Promise(done => new PerformanceObserver(list => {
  for (const one of list.getEntriesByName('first-contentful-paint')) done(one.startTime)
}).observe({type: 'paint', buffered: true}))"""
WAIT_S = 30.0


def chromium() -> str | None:
    """The browser of this machine; None where there is none. CHROMIUM may name it."""
    return os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")


def first_paints(program: str, url: str, times: int) -> list[float]:
    """Milliseconds, one of each look. Raises OSError, TimeoutError."""
    return asyncio.run(_first_paints(program, url, times))


async def _first_paints(program: str, url: str, times: int) -> list[float]:
    async with asyncio.timeout(WAIT_S * (times + 1)), _browser(program) as devtools:
        return [await devtools.look(url) for _ in range(times)]


class _DevTools:
    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket, self._ids = socket, itertools.count(1)

    async def look(self, url: str) -> float:
        """Open the page as a stranger, and wait for its first paint."""
        context = (await self._ask("Target.createBrowserContext"))["browserContextId"]
        target = await self._ask("Target.createTarget", url="about:blank", browserContextId=context)
        attached = await self._ask("Target.attachToTarget", targetId=target["targetId"], flatten=True)
        session = attached["sessionId"]
        await self._ask("Page.navigate", session, url=url)
        found = await self._ask("Runtime.evaluate", session, expression=PAINTED, awaitPromise=True)
        await self._ask("Target.disposeBrowserContext", browserContextId=context)
        return float(found["result"]["value"])

    async def _ask(self, method: str, session: str = "", **params: Any) -> dict[str, Any]:
        id = next(self._ids)
        await self._socket.send_json(
            {"id": id, "method": method, "params": params, **({"sessionId": session} if session else {})}
        )
        while True:
            told: dict[str, Any] = await self._socket.receive_json()
            if told.get("id") == id:
                if "error" in told:
                    raise OSError(f"{method}: {told['error'].get('message')}")
                result: dict[str, Any] = told["result"]
                return result


@asynccontextmanager
async def _browser(program: str) -> AsyncIterator[_DevTools]:
    """A browser of its own, gone at the end."""
    with tempfile.TemporaryDirectory(prefix="bench-browser-", ignore_cleanup_errors=True) as profile:
        command: Sequence[str] = (program, *OPTIONS, f"--user-data-dir={profile}", "about:blank")
        process = await asyncio.create_subprocess_exec(
            *command, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE
        )
        try:
            assert process.stderr is not None
            address = b""
            while not address.startswith(b"ws://"):
                line = await process.stderr.readline()
                if not line:
                    raise OSError(f"{program} ended with {await process.wait()}")
                address = line.rpartition(b" ")[2].strip()
            async with aiohttp.ClientSession() as http, http.ws_connect(address.decode(), max_msg_size=0) as socket:
                yield _DevTools(socket)
        finally:
            process.terminate()
            await process.wait()
