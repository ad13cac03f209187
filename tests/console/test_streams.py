"""Pages that keep themselves fresh have room of their own on the admin listener, bounded by number and by bytes. With real connections."""

from __future__ import annotations

import asyncio
import itertools
import resource
from contextlib import AsyncExitStack
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from router.console import shared_answer
from router.console.rendered import Fragment
from router.console.shared_answer import SharedNumber
from router.console.sse_message import Message
from router.console.stream import Streams
from router.console.turns import Turns
from router.ingest import limits
from tests.flow.harness import Daemon
from tests.patience import HANG_S


async def test_all_pages_that_may_refresh_do_and_leave_room_for_everything_else(tmp_path: Path) -> None:
    async with Daemon(tmp_path, []) as daemon, asyncio.timeout(HANG_S), AsyncExitStack() as stack:
        http = await stack.enter_async_context(aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)))
        host, port = daemon.admin_url.removeprefix("http://").split(":")
        streams = [
            await stack.enter_async_context(http.get(f"{daemon.admin_url}/?stream=1")) for _ in range(limits.STREAMS)
        ]
        assert {stream.status for stream in streams} == {200}
        others = [await asyncio.open_connection(host, int(port)) for _ in range(63)]
        async with http.get(f"{daemon.admin_url}/healthz") as answer:
            assert answer.status == 200
        async with http.get(f"{daemon.admin_url}/?stream=1") as beyond:
            assert (beyond.status, "too many pages are open" in await beyond.text()) == (503, True)
        await daemon.post("track", userId="u1", event="E", messageId="m1")
        for stream in streams:  # none of them was ended to make room
            seen = b""
            while b"1 event accepted" not in seen:
                more = await stream.content.readany()
                assert more, "it was ended"
                seen += more
        for _, writer in others:
            writer.close()


def test_where_few_files_may_be_open_few_pages_refresh(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda which: (256, 256))
    assert limits.most_streams() == 64
    monkeypatch.setattr(resource, "getrlimit", lambda which: (-1, -1))
    assert limits.most_streams() == limits.STREAMS


async def test_what_is_on_its_way_to_browsers_that_do_not_read_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "STREAMS_BYTES", 40 << 20)
    page = "x" * (32 << 20)  # more than the system takes for a socket
    streams = Streams(asyncio.sleep, lambda fragment: Message(fragment.html, "@"), Turns())

    async def render(request: web.Request) -> Fragment:
        return Fragment(page if request.path == "/long" else "short")

    async def handle(request: web.Request) -> web.StreamResponse:
        return await streams.serve(request, render, "", lambda: True)

    app = web.Application()
    app.router.add_get("/{page}", handle)
    async with TestServer(app) as server, aiohttp.ClientSession() as http, asyncio.timeout(HANG_S):
        async with http.get(server.make_url("/long")) as first:
            assert (await first.content.readany())[:7] == b"data: x"
            async with http.get(server.make_url("/long")) as second:
                assert await second.content.read() == b"", "it ends without the page"
            async with http.get(server.make_url("/short")) as third:
                assert await third.content.readline() == b"data: short\n"
        async with http.get(server.make_url("/long")) as again:  # the first one has gone
            assert (await again.content.readany())[:7] == b"data: x"


def test_a_message_is_the_same_bytes_for_all_but_for_the_form_token() -> None:
    message = Message("<p>é\r\n<input value=@>\r@\n", "@")
    assert message.bytes_for("t1").decode() == "data: <p>é\ndata: <input value=t1>\ndata: t1\ndata: \n\n"
    without = Message("<p>", "@")
    assert without.bytes_for("t1") is without.bytes_for("t2")


def test_rows_go_out_as_the_bytes_that_they_are() -> None:
    message = Message("<table>\n@rows@</table>@", "@", "@rows@", "<tr>é</tr>".encode())
    assert message.bytes_for("t1").decode() == "data: <table>\ndata: <tr>é</tr></table>t1\n\n"


async def test_what_all_pages_show_is_asked_for_once_and_again_when_it_is_old(monkeypatch: pytest.MonkeyPatch) -> None:
    number, asked = SharedNumber(), itertools.count(1)

    async def ask() -> int:
        await asyncio.sleep(0)
        return next(asked)

    assert [*await asyncio.gather(number.of(ask), number.of(ask))] == [1, 1]
    monkeypatch.setattr(shared_answer, "GOOD_S", -1.0)
    later = SharedNumber()
    assert [await later.of(ask), await later.of(ask)] == [2, 3]
