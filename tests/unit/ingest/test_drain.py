"""How the listener ends: what has begun to arrive is answered; what it has to cut is told so."""

from __future__ import annotations

import asyncio
import json
import socket

from aiohttp.test_utils import BaseTestServer

from router.ingest.auth import Sources
from router.ingest.listener import IngestRunner
from router.ingest.server import make_app
from tests.unit.ingest.rig import TRACK, FakeClock, IngestServer, RecordingAcceptor

BODY = json.dumps(TRACK).encode()
REQUEST = b"POST /v1/track HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s" % (len(BODY), BODY)


def runner_of(server: BaseTestServer) -> IngestRunner:
    """The runner that a test server has made."""
    assert isinstance(server.runner, IngestRunner)
    return server.runner


async def test_a_connection_that_nobody_has_accepted_yet_is_answered_too(
    acceptor: RecordingAcceptor, sources: Sources
) -> None:
    async with IngestServer(make_app(acceptor, sources, FakeClock())) as server:
        with socket.create_connection((server.host, server.port)) as connection:  # the kernel has, the loop has not
            connection.sendall(REQUEST)
            await runner_of(server).drain()
            answer = connection.recv(4096)
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert b"\r\nConnection: close\r\n" in answer
    assert [call.message_id for call in acceptor.calls] == ["m1"]


async def test_a_request_that_is_still_being_stored_when_the_listener_ends_is_told_to_come_again(
    acceptor: RecordingAcceptor, sources: Sources
) -> None:
    acceptor.gate = asyncio.Event()
    async with IngestServer(make_app(acceptor, sources, FakeClock())) as server:
        reader, writer = await asyncio.open_connection(server.host, server.port)
        writer.write(REQUEST)
        await acceptor.asked.wait()
        draining = asyncio.create_task(runner_of(server).drain())
        await asyncio.sleep(0)
        assert not draining.done()
        draining.cancel()
        await runner_of(server).cleanup()
        answer = await reader.read()
        writer.close()
    assert answer.startswith(b"HTTP/1.1 503 ")
    assert b"\r\nRetry-After: 5\r\n" in answer
    assert acceptor.calls == []


async def test_without_connections_there_is_nothing_to_wait_for(acceptor: RecordingAcceptor, sources: Sources) -> None:
    async with IngestServer(make_app(acceptor, sources, FakeClock())) as server:
        await runner_of(server).drain()
        assert runner_of(server).addresses == []
