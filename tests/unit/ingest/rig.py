"""What the tests of ingestion stand on: real sockets, an acceptor that only records, a clock that is set by hand."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import aiohttp
from aiohttp.test_utils import BaseTestServer, TestClient
from aiohttp.web import AppRunner, Request

from router.config import Rate
from router.event import Call, Discard
from router.ingest.aiohttp_server import make_runner

NOW = 1_767_323_045_678
KEY = "wk_test_123"
TRACK = {"event": "E", "userId": "u1", "messageId": "m1", "writeKey": KEY}


@dataclass(frozen=True)
class FakeSource:
    name: str = "website"
    write_keys: tuple[str, ...] = (KEY,)
    enabled: bool = True
    kind: str = "segment"
    origins: tuple[str, ...] = ("*",)
    strict: bool = False
    rate: Rate | None = None
    secrets: tuple[str, ...] = ()


class FakeClock:
    def __init__(self) -> None:
        self.now = NOW

    def now_ms(self) -> int:
        return self.now

    def monotonic(self) -> float:
        return 0.0

    async def sleep(self, seconds: float) -> None:
        raise AssertionError("ingestion does not sleep")


@dataclass
class RecordingAcceptor:
    """Keeps what it is given; raises `error` where one is set; waits for `gate`."""

    calls: list[Call] = field(default_factory=list)
    discards: list[Discard] = field(default_factory=list)
    error: Exception | None = None
    duplicates: int = 0
    gate: asyncio.Event | None = None
    asked: asyncio.Event = field(default_factory=asyncio.Event)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    def accept_soon(
        self, calls: list[Call], discards: list[Discard], on_done: Callable[[Exception | int], None]
    ) -> None:
        if calls:
            self.asked.set()
        task = asyncio.create_task(self._accept(calls, discards, on_done))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _accept(
        self, calls: list[Call], discards: list[Discard], on_done: Callable[[Exception | int], None]
    ) -> None:
        if self.gate:
            await self.gate.wait()
        if self.error is None:
            self.calls += calls
            self.discards += discards
        on_done(self.error or self.duplicates)


class IngestTestServer(BaseTestServer):
    """aiohttp's test server around the runner that the daemon uses."""

    def __init__(self, app: Any) -> None:
        super().__init__()
        self.app = app

    async def _make_runner(self, **kwargs: Any) -> AppRunner:
        return make_runner(self.app)


Client = TestClient[Request, Any]


async def failure(response: aiohttp.ClientResponse) -> tuple[int, str]:
    """Status and code of an error, whose body must be in the form that clients read."""
    body = await response.json()
    assert (body["success"], body["error"]) == (False, body["message"])
    assert "Traceback" not in body["message"]
    return response.status, body["code"]
