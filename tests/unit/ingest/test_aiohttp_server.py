"""Connections and requests are bounded."""

from __future__ import annotations

import asyncio
import json
import resource
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any, NamedTuple

import aiohttp
import pytest
from aiohttp import web
from aiohttp.helpers import rfc822_formatted_time
from aiohttp.test_utils import TestClient

from router.ingest import aiohttp_server, limits
from router.ingest.aiohttp_connection import Connection
from router.ingest.aiohttp_server import IngestServer, make_runner, most_connections
from router.ingest.routes import make_app
from router.ingest.unread_bytes import UnreadBytes
from router.ingest.write_key import Sources
from tests.unit.ingest.rig import TRACK, Client, FakeClock, IngestTestServer, RecordingAcceptor, failure


def post_head(length: int) -> bytes:
    """The head of a request whose body is on its way."""
    return b"POST /v1/track HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n{" % length


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


@pytest.mark.parametrize("rest", [b"}" * (limits.MAX_BATCH_BYTES + 100), b"}" * 100], ids=["all of it", "a part"])
async def test_what_comes_behind_an_answer_that_was_early_is_body_and_never_a_request(
    client: Client, rest: bytes
) -> None:
    """The client may have given its body up, and begun another request in its place."""
    reader, writer = await asyncio.open_connection(client.host, client.port)
    writer.write(post_head(limits.MAX_BATCH_BYTES + 1))
    head, told = await answer_of(reader)
    assert (head.startswith(b"HTTP/1.1 413"), told["code"]) == (True, "payload_too_large")
    assert b"connection: close" in head.lower()
    with suppress(ConnectionError):
        writer.write(rest + post_head(1)[:-1] + b"1")
        await writer.drain()
        writer.write_eof()
        assert await reader.read() == b""
    writer.close()


async def test_a_connection_beyond_those_that_may_be_open_is_told_so_and_closed(
    acceptor: RecordingAcceptor, sources: Sources, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(aiohttp_server, "most_connections", lambda of: 1)
    client: Client
    async with TestClient(IngestTestServer(make_app(acceptor, sources, FakeClock()))) as client:
        acceptor.gate = asyncio.Event()
        first = asyncio.create_task(client.post("/v1/track", json=TRACK).__aenter__())
        await acceptor.asked.wait()  # a connection at work does not make room
        reader, writer = await asyncio.open_connection(client.host, client.port)
        head, body = await answer_of(reader)
        assert head.startswith(b"HTTP/1.1 503 ")
        assert b"\r\nRetry-After: 1\r\n" in head
        assert (body["success"], body["code"]) == (False, "too_many_connections")
        assert await reader.read() == b""
        writer.close()
        acceptor.gate.set()
        assert (await first).status == 200


@pytest.mark.parametrize(
    "sent", [b"", b"POST /v1/track HTTP/1.1\r\n", post_head(9)], ids=["nothing", "a head", "a body"]
)
async def test_a_connection_without_a_success_makes_room_for_a_new_one(
    acceptor: RecordingAcceptor, sources: Sources, monkeypatch: pytest.MonkeyPatch, sent: bytes
) -> None:
    monkeypatch.setattr(aiohttp_server, "most_connections", lambda of: 1)
    client: Client
    async with TestClient(IngestTestServer(make_app(acceptor, sources, FakeClock()))) as client:
        reader, writer = await asyncio.open_connection(client.host, client.port)
        writer.write(sent)
        await asyncio.sleep(0)
        assert (await client.post("/v1/track", json=TRACK)).status == 200
        assert await reader.read() == b""
        writer.close()


def test_the_limit_of_open_files_leaves_room_for_the_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    for files, most in ((1_024, 768), (100, 1), (1_000_000, 10_000), (-1, 10_000)):
        monkeypatch.setattr(resource, "getrlimit", lambda _, files=files: (files, files))
        assert most_connections(limits.INGEST) == most


@pytest.mark.parametrize("sent", [b"", b"POST /v1/track HTTP/1.1\r\nHost: x\r\n"], ids=["nothing", "half a head"])
async def test_an_idle_connection_is_closed(
    acceptor: RecordingAcceptor, sources: Sources, monkeypatch: pytest.MonkeyPatch, sent: bytes
) -> None:
    monkeypatch.setattr(limits, "IDLE_TIMEOUT_S", 0.01)
    client: Client
    async with TestClient(IngestTestServer(make_app(acceptor, sources, FakeClock()))) as client:
        reader, writer = await asyncio.open_connection(client.host, client.port)
        writer.write(sent)
        with suppress(ConnectionResetError):  # on a busy machine it is closed before that is sent
            assert await reader.read() == b""
        writer.close()


async def test_a_client_that_leaves_in_the_turn_in_which_its_request_comes_is_no_fault(
    acceptor: RecordingAcceptor, sources: Sources
) -> None:
    test_server = IngestTestServer(make_app(acceptor, sources, FakeClock()))
    client: Client
    async with TestClient(test_server) as client:
        server = test_server.runner.server if test_server.runner is not None else None
        assert isinstance(server, aiohttp_server.IngestServer)
        _, writer = await asyncio.open_connection(client.host, client.port)
        while not any(isinstance(one, Connection) and one.is_waiting for one in server.connections):  # noqa: ASYNC110
            await asyncio.sleep(0)
        (connection,) = server.connections
        serving = connection._task_handler
        assert serving is not None
        connection.data_received(b"GET /nothing HTTP/1.1\r\nHost: x\r\n\r\n")
        connection.connection_lost(None)
        await asyncio.wait([serving])
        assert serving.cancelled()
        writer.close()


def test_an_idle_connection_has_75_seconds_and_a_body_30() -> None:
    assert (limits.IDLE_TIMEOUT_S, limits.BODY_TIMEOUT_S) == (75.0, 30.0)
    app = make_app(RecordingAcceptor(), Sources(), FakeClock())
    assert make_runner(app)._kwargs["keepalive_timeout"] == 75.0


async def test_aiohttp_still_has_what_is_used_of_it_without_being_documented(acceptor: RecordingAcceptor) -> None:
    """Another version has to be read beside `aiohttp_server` before READ_AGAINST is changed."""
    assert aiohttp.__version__ == aiohttp_server.READ_AGAINST
    async with IngestTestServer(make_app(acceptor, Sources(), FakeClock())) as server:
        handler = web.RequestHandler(web.Server(lambda request: None), loop=asyncio.get_running_loop())  # type: ignore[arg-type, return-value]
        for name in (
            "_current_request", "_keepalive_handle", "_keepalive_timeout", "_loop", "_manager", "_messages",
            "_next_keepalive_close_time", "_process_keepalive", "_task_handler", "_waiter", "transport", "writing_paused",
        ):  # fmt: skip
            assert hasattr(handler, name), name
        assert isinstance(server.runner, web.AppRunner)
        assert isinstance(server.runner.server, aiohttp_server.IngestServer)
        assert server.runner.server._connections == {}
        assert [type(site._server) for site in server.runner.sites if hasattr(site, "_server")]
        assert "keepalive_timeout" in server.runner._kwargs
    assert rfc822_formatted_time().endswith(" GMT")


# ---------------------------------------------------------------- clients that do not read


class Deaf:
    """A client that reads nothing."""

    def __init__(self) -> None:
        self.is_dropped = False

    def drop_unread(self) -> None:
        self.is_dropped = True


def test_beyond_the_bound_the_client_that_is_unread_for_longest_is_dropped() -> None:
    unread, clients = UnreadBytes(100), [Deaf() for _ in range(3)]
    for one in clients:
        unread.note(one, 40)
    assert [one.is_dropped for one in clients] == [True, False, False]
    assert unread.held == 80


def test_what_is_read_counts_no_more() -> None:
    unread, one = UnreadBytes(100), Deaf()
    unread.note(one, 40)
    unread.note(one, 70)
    assert unread.held == 70
    unread.forget(one)
    assert unread.held == 0


LARGE = 48 * 1024
TIMES = 400
"""So many of these answers are more than any system takes of a connection."""


class Large(NamedTuple):
    """A server with a large answer, and the requests for it."""

    server: IngestServer
    asked: list[web.Request]
    host: str
    port: int | None


GET_LARGE = b"GET /large HTTP/1.1\r\nHost: x\r\n\r\n"


@pytest.fixture
async def large(acceptor: RecordingAcceptor, sources: Sources) -> AsyncIterator[Large]:
    app, asked = make_app(acceptor, sources, FakeClock()), list[web.Request]()

    async def answer(request: web.Request) -> web.Response:
        asked.append(request)
        return web.Response(body=bytes(LARGE))

    app.router.add_get("/large", answer)
    async with IngestTestServer(app) as test_server:
        assert test_server.runner is not None
        server = test_server.runner.server
        assert isinstance(server, IngestServer)
        yield Large(server, asked, test_server.host, test_server.port)


async def ask(large: Large, requests: bytes) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await asyncio.open_connection(large.host, large.port)
    writer.write(requests)
    return reader, writer


async def test_no_answer_begins_while_an_earlier_one_of_the_connection_is_unread(large: Large) -> None:
    server, asked = large.server, large.asked
    reader, writer = await ask(large, GET_LARGE * TIMES)
    while not server.unread.held:  # noqa: ASYNC110
        await asyncio.sleep(0)
    for _ in range(10):
        await asyncio.sleep(0)
    assert len(asked) < TIMES
    assert server.unread.held < 1.1 * LARGE
    for _ in range(TIMES):
        await reader.readuntil(b"\r\n\r\n")
        await reader.readexactly(LARGE)
    assert (len(asked), server.unread.held) == (TIMES, 0)
    writer.close()


async def test_beyond_the_bound_a_client_that_does_not_read_is_cut_off(large: Large) -> None:
    server = large.server
    server.unread.most = 1_000
    reader, writer = await ask(large, GET_LARGE * TIMES)
    while not large.asked or server.connections:  # noqa: ASYNC110
        await asyncio.sleep(0)
    with pytest.raises((asyncio.IncompleteReadError, ConnectionResetError)):
        await reader.readexactly(LARGE * TIMES)
    assert server.unread.held == 0
    writer.close()
