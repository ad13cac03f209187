"""How the listener ends: what has begun to arrive is answered; what it has to cut is told so."""

from __future__ import annotations

import asyncio
import errno
import json
import select
import socket
import sys

import pytest
from aiohttp.test_utils import BaseTestServer

from router.ingest.aiohttp_server import IngestRunner
from router.ingest.routes import make_app
from router.ingest.write_key import Sources
from tests.unit.ingest.rig import TRACK, FakeClock, IngestTestServer, RecordingAcceptor

BODY = json.dumps(TRACK).encode()
REQUEST = b"POST /v1/track HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s" % (len(BODY), BODY)


def runner_of(server: BaseTestServer) -> IngestRunner:
    """The runner that a test server has made."""
    assert isinstance(server.runner, IngestRunner)
    return server.runner


async def test_a_connection_that_nobody_has_accepted_yet_is_answered_too(
    acceptor: RecordingAcceptor, sources: Sources
) -> None:
    async with IngestTestServer(make_app(acceptor, sources, FakeClock())) as server:
        with socket.create_connection((server.host, server.port)) as connection:  # the kernel has, the loop has not
            connection.sendall(REQUEST)
            await runner_of(server).drain()
            answer = connection.recv(4096)
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert b"\r\nConnection: close\r\n" in answer
    assert [call.message_id for call in acceptor.calls] == ["m1"]


@pytest.mark.skipif(sys.platform != "linux", reason="only there a listening socket can ignore who knocks")
async def test_who_knocks_while_it_stops_is_ignored_and_then_refused_and_never_let_in_to_be_reset(
    acceptor: RecordingAcceptor, sources: Sources
) -> None:
    async with IngestTestServer(make_app(acceptor, sources, FakeClock())) as server:
        address = (str(server.host), server.port)
        draining = asyncio.create_task(runner_of(server).drain())
        await asyncio.sleep(0)
        with socket.socket() as knocks:
            knocks.setblocking(False)
            assert knocks.connect_ex(address) == errno.EINPROGRESS
            assert select.select([], [knocks], [], 0)[1] == []  # on loopback it would be let in at once
            await draining
        with socket.socket() as late:
            assert late.connect_ex(address) == errno.ECONNREFUSED


async def test_a_socket_that_the_system_holds_lets_in_who_knocks_after_the_stop(
    acceptor: RecordingAcceptor, sources: Sources
) -> None:
    """Nothing of the stop stays on it: the next process answers."""

    def server() -> IngestTestServer:
        made = IngestTestServer(make_app(acceptor, sources, FakeClock()))
        made.socket_factory = lambda *_: held.dup()
        return made

    with socket.create_server(("127.0.0.1", 0)) as held:
        async with server() as first:
            runner_of(first).is_held = True
            await runner_of(first).drain()
            with socket.create_connection(held.getsockname()) as knocks:
                knocks.sendall(REQUEST)
                async with server():
                    answer = await asyncio.to_thread(knocks.recv, 4096)
    assert answer.startswith(b"HTTP/1.1 200 ")


async def test_a_half_sent_request_behind_an_answered_one_is_waited_for(
    acceptor: RecordingAcceptor, sources: Sources, monkeypatch: pytest.MonkeyPatch
) -> None:
    for wait in ("HANDSHAKE_S", "QUIET_S"):
        monkeypatch.setattr(f"router.ingest.graceful_close.{wait}", 0.0)
    async with IngestTestServer(make_app(acceptor, sources, FakeClock())) as server:
        reader, writer = await asyncio.open_connection(server.host, server.port)
        acceptor.gate = asyncio.Event()
        writer.write(REQUEST)
        await acceptor.asked.wait()
        writer.write(REQUEST[:20])
        for _ in range(10):  # until it is here
            await asyncio.sleep(0)
        acceptor.gate.set()
        draining = asyncio.create_task(runner_of(server).drain())
        await reader.readuntil(b"}")
        for _ in range(100):  # time enough to close what is idle
            await asyncio.sleep(0)
        writer.write(REQUEST[20:])
        assert (await reader.read()).startswith(b"HTTP/1.1 200 ")
        writer.close()
        await draining


async def test_a_request_that_is_still_being_stored_when_the_listener_ends_is_told_to_come_again(
    acceptor: RecordingAcceptor, sources: Sources
) -> None:
    acceptor.gate = asyncio.Event()
    async with IngestTestServer(make_app(acceptor, sources, FakeClock())) as server:
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


@pytest.mark.parametrize("is_held", [True, False])
async def test_a_request_is_waited_for_also_where_all_connections_had_gone_before(
    acceptor: RecordingAcceptor, sources: Sources, is_held: bool
) -> None:
    """As with clients that open one for each request."""
    async with IngestTestServer(make_app(acceptor, sources, FakeClock())) as server:
        runner_of(server).is_held = is_held
        reader, writer = await asyncio.open_connection(server.host, server.port)
        writer.write(REQUEST.replace(b"Host: x", b"Host: x\r\nConnection: close"))
        assert (await reader.read()).startswith(b"HTTP/1.1 200 ")
        writer.close()
        acceptor.asked.clear()
        acceptor.gate = asyncio.Event()
        reader, writer = await asyncio.open_connection(server.host, server.port)
        writer.write(REQUEST.replace(b"m1", b"m2"))
        await acceptor.asked.wait()
        draining = asyncio.create_task(runner_of(server).drain())
        await asyncio.wait({draining}, timeout=0.3)
        assert not draining.done()
        acceptor.gate.set()
        assert (await reader.read()).startswith(b"HTTP/1.1 200 ")
        writer.close()
        await draining
    assert [call.message_id for call in acceptor.calls] == ["m1", "m2"]


async def test_without_connections_there_is_nothing_to_wait_for(acceptor: RecordingAcceptor, sources: Sources) -> None:
    async with IngestTestServer(make_app(acceptor, sources, FakeClock())) as server:
        await runner_of(server).drain()
        assert runner_of(server).addresses == []
