"""Live traffic and its vendor in one process, so that one clock tells how long an event takes from its 200 to the vendor.

Calls are sent at an even rate whatever the answers do: a daemon that stalls does not get fewer of them for it.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from types import TracebackType
from typing import Any, Self

import aiohttp
import msgspec

from router.bench.http1 import ServerConnection, answer
from router.bench.measure import percentile
from router.bench.workload import BATCH, WRITE_KEY

ARRIVE_S = 60.0
AGAIN_S = 0.1
POSTERS = 8


class Seen(msgspec.Struct, rename="camel"):
    """What this vendor reads of a call."""

    message_id: str


class Vendor:
    """Takes what comes to /ok/NAME and keeps when each message id came first; /fail/ is answered with 503, /limit/ with 429 and
    /hang/ never."""

    def __init__(self) -> None:
        self.came: dict[str, dict[str, float]] = {}  #: by destination: message id -> when (s, of `time.perf_counter`)
        self.received = 0
        self._items = msgspec.json.Decoder(list[Seen])
        self._server: asyncio.Server

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: ServerConnection(self.receive), "127.0.0.1", 0)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.close()

    @property
    def port(self) -> int:
        """Where it listens."""
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    def receive(self, path: str, head: bytes, body: bytes) -> tuple[bytes, float] | None:
        """The answer to one request; None: it hangs."""
        _, manner, name = path.split("/")
        if manner == "hang":
            return None
        if manner == "fail":
            return answer("503 Service Unavailable"), 0.0
        if manner == "limit":
            return answer("429 Too Many Requests", more="Retry-After: 1\r\n"), 0.0
        came, now = self.came.setdefault(name, {}), time.perf_counter()
        items = self._items.decode(body if body.startswith(b"[") else b"[" + body + b"]")
        self.received += len(items)
        for item in items:
            came.setdefault(item.message_id, now)
        return answer("200 OK"), 0.0


class Client:
    """Sends calls; remembers when each live one got its 200."""

    def __init__(self, port: int, http: aiohttp.ClientSession) -> None:
        self.stored: dict[str, float] = {}  #: message id -> when its 200 came (s, of `time.perf_counter`)
        self._url, self._http = f"http://127.0.0.1:{port}/v1", http
        self._sent = 0

    async def live(self, rate: float, users: Sequence[str], until: asyncio.Event) -> list[str]:
        """One track call after the other, `rate` a second, until told otherwise. Returns their message ids."""
        ids: list[str] = []
        at = time.perf_counter()
        async with asyncio.TaskGroup() as group:
            while not until.is_set():
                self._sent += 1
                ids.append(f"live-{self._sent}")
                call = {"messageId": ids[-1], "userId": users[self._sent % len(users)], "event": "Opened"}
                group.create_task(self._post_live(call))
                at += 1 / rate
                await asyncio.sleep(max(0.0, at - time.perf_counter()))
        return ids

    async def live_for(self, seconds: float, rate: float, users: Sequence[str]) -> list[str]:
        """The same for so long."""
        until = asyncio.Event()
        asyncio.get_running_loop().call_later(seconds, until.set)
        return await self.live(rate, users, until)

    async def batches(self, calls: Iterable[dict[str, Any]]) -> None:
        """Send these calls in batches over a few connections, each until it has its 200."""
        batches = iter(_chunks(calls))

        async def post() -> None:
            for batch in batches:
                body = msgspec.json.encode({"batch": batch})
                if not await reached(partial(self._post, "batch", body), ARRIVE_S):
                    raise RuntimeError("the daemon does not take a batch")

        async with asyncio.TaskGroup() as group:
            for _ in range(POSTERS):
                group.create_task(post())

    async def _post_live(self, call: dict[str, Any]) -> None:
        if await self._post("track", msgspec.json.encode(call)):
            self.stored[call["messageId"]] = time.perf_counter()

    async def _post(self, path: str, body: bytes) -> bool:
        headers = {"Content-Type": "application/json"}
        try:
            async with self._http.post(f"{self._url}/{path}", data=body, headers=headers) as answer:
                return answer.status == 200
        except aiohttp.ClientError:
            return False


@asynccontextmanager
async def open_client(port: int) -> AsyncIterator[Client]:
    """A client of the daemon at this port."""
    headers = {"Authorization": aiohttp.encode_basic_auth(WRITE_KEY, "")}
    async with aiohttp.ClientSession(headers=headers, connector=aiohttp.TCPConnector(limit=64)) as http:
        yield Client(port, http)


async def reached(look: Callable[[], Awaitable[bool]], seconds: float) -> bool:
    """Look again and again until it is so, at least for so long. Returns whether it is."""
    for _ in range(int(seconds / AGAIN_S)):
        if await look():
            return True
        await asyncio.sleep(AGAIN_S)
    return await look()


async def latencies(ids: Sequence[str], client: Client, came: dict[str, float]) -> tuple[list[float], list[str]]:
    """Wait until what was stored has come: milliseconds from the 200 to the vendor, ascending (0 where the vendor was first);
    and what is missing, in words."""
    stored = [id for id in ids if id in client.stored]

    async def all_came() -> bool:
        return all(id in came for id in stored)

    await reached(all_came, ARRIVE_S)
    missing = len(ids) - len(stored), sum(id not in came for id in stored)
    words = ["live events without a 200", "live events that were stored and never came"]
    problems = [f"{n} {what}" for n, what in zip(missing, words, strict=True) if n]
    return sorted(max(0.0, 1000 * (came[id] - client.stored[id])) for id in stored if id in came), problems


def p99(took: Sequence[float]) -> float:
    """Of ascending milliseconds, and never 0: it stands below a ratio."""
    return max(0.1, percentile(took, 0.99))


@contextmanager
def on_core(core: int | None) -> Iterator[None]:
    """Keep this process off the daemon's core meanwhile."""
    if core is None:
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def _chunks(calls: Iterable[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    chunk: list[dict[str, Any]] = []
    for call in calls:
        chunk.append(call)
        if len(chunk) == BATCH:
            yield chunk
            chunk = []
    if chunk:
        yield chunk
