"""Connections and requests are bounded."""

from __future__ import annotations

import asyncio
import json
import resource
from typing import Any

import pytest
from aiohttp.test_utils import TestClient

from router.ingest import limits, listener
from router.ingest.auth import Sources
from router.ingest.listener import make_runner, most_connections
from router.ingest.server import make_app
from tests.unit.ingest.rig import TRACK, Client, FakeClock, IngestServer, RecordingAcceptor, failure


async def answer_of(reader: asyncio.StreamReader) -> tuple[bytes, dict[str, Any]]:
    """Head and JSON of the next answer on a connection."""
    head = await reader.readuntil(b"\r\n\r\n")
    length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
    return head, json.loads(await reader.readexactly(length))


async def test_a_request_beyond_those_that_may_be_in_flight_is_asked_to_come_again(
    client: Client, acceptor: RecordingAcceptor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "MAX_IN_FLIGHT", 1)
    acceptor.gate = asyncio.Event()
    first = asyncio.create_task(client.post("/v1/track", json=TRACK).__aenter__())
    await acceptor.asked.wait()
    answer = await client.post("/v1/track", json=TRACK)
    assert await failure(answer) == (503, "store_busy")
    assert answer.headers["Retry-After"] == "1"
    acceptor.gate.set()
    assert (await first).status == 200
    assert (await client.post("/v1/track", json=TRACK)).status == 200


async def test_a_connection_beyond_those_that_may_be_open_is_told_so_and_closed(
    acceptor: RecordingAcceptor, sources: Sources, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listener, "most_connections", lambda: 1)
    client: Client
    async with TestClient(IngestServer(make_app(acceptor, sources, FakeClock()))) as client:
        assert (await client.post("/v1/track", json=TRACK)).status == 200  # and its connection stays
        reader, writer = await asyncio.open_connection(client.host, client.port)
        head, body = await answer_of(reader)
        assert head.startswith(b"HTTP/1.1 503 ")
        assert b"\r\nRetry-After: 1\r\n" in head
        assert (body["success"], body["code"]) == (False, "too_many_connections")
        assert await reader.read() == b""
        writer.close()
        assert (await client.post("/v1/track", json=TRACK)).status == 200


def test_the_limit_of_open_files_leaves_room_for_the_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    for files, most in ((1_024, 768), (100, 1), (1_000_000, limits.MAX_CONNECTIONS), (-1, limits.MAX_CONNECTIONS)):
        monkeypatch.setattr(resource, "getrlimit", lambda _, files=files: (files, files))
        assert most_connections() == most


@pytest.mark.parametrize("sent", [b"", b"POST /v1/track HTTP/1.1\r\nHost: x\r\n"], ids=["nothing", "half a head"])
async def test_an_idle_connection_is_closed(
    acceptor: RecordingAcceptor, sources: Sources, monkeypatch: pytest.MonkeyPatch, sent: bytes
) -> None:
    monkeypatch.setattr(limits, "IDLE_TIMEOUT_S", 0.01)
    client: Client
    async with TestClient(IngestServer(make_app(acceptor, sources, FakeClock()))) as client:
        reader, writer = await asyncio.open_connection(client.host, client.port)
        writer.write(sent)
        assert await reader.read() == b""
        writer.close()


def test_an_idle_connection_has_75_seconds_and_a_body_30() -> None:
    assert (limits.IDLE_TIMEOUT_S, limits.BODY_TIMEOUT_S) == (75.0, 30.0)
    app = make_app(RecordingAcceptor(), Sources(), FakeClock())
    assert make_runner(app)._kwargs["keepalive_timeout"] == 75.0
