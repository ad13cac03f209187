"""Fixtures of the tests of ingestion: one source named website, behind trusted proxies on loopback."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any

import pytest
from aiohttp.test_utils import TestClient

from router.ingest.routes import make_app
from router.ingest.write_key import Sources
from tests.unit.ingest.rig import Client, FakeClock, FakeSource, IngestTestServer, RecordingAcceptor

BOTH_LOOPS = frozenset({"test_hot_path", "test_aiohttp_server", "test_graceful_close", "test_busy_connections"})
"""Modules whose tests run under uvloop too, as the daemon does on Linux."""


def pytest_asyncio_loop_factories(item: pytest.Item) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    loops: dict[str, Callable[[], asyncio.AbstractEventLoop]] = {"asyncio": asyncio.new_event_loop}
    if item.path.stem in BOTH_LOOPS and sys.platform == "linux":
        import uvloop

        loops["uvloop"] = uvloop.new_event_loop
    return loops


@pytest.fixture
def acceptor() -> RecordingAcceptor:
    return RecordingAcceptor()


@pytest.fixture
def sources() -> Sources:
    return Sources([FakeSource()])


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
async def client(acceptor: RecordingAcceptor, sources: Sources, clock: FakeClock) -> AsyncIterator[Client]:
    app = make_app(acceptor, sources, clock, trusted_proxies=["127.0.0.1", "10.0.0.0/8"])
    client: Client
    async with TestClient(IngestTestServer(app)) as client:
        yield client


@pytest.fixture
async def send(client: Client) -> Callable[[bytes], Awaitable[tuple[int, dict[str, Any]]]]:
    """Sends raw bytes on a connection of its own; gives status and JSON of the one answer."""

    async def send(request: bytes) -> tuple[int, dict[str, Any]]:
        reader, writer = await asyncio.open_connection(client.host, client.port)
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
        body = await reader.readexactly(length)
        writer.close()
        await writer.wait_closed()
        return int(head.split()[1]), json.loads(body)

    return send
