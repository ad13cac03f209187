"""The admin listener has the protections of the other one, and says nothing of what it was sent in a garbage head."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
from aiohttp import web

from router.admin.app import make_admin_app
from router.ingest import limits
from router.ingest.aiohttp_server import LISTENER, Listener, make_runner
from router.metrics import Metrics
from tests.contract.rig import Gated, open_rig
from tests.unit.admin.test_admin_api import FakeDaemon

SECRET = b"s3cret-token"


async def answers(*requests: bytes) -> list[bytes]:
    """What each of these gets on a connection of its own, up to its end."""
    app = web.Application()
    app[LISTENER] = Listener("admin", limits.ADMIN, Metrics())
    runner = make_runner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    got = []
    for request in requests:
        reader, writer = await asyncio.open_connection(*runner.addresses[0][:2])
        writer.write(request)
        got.append(await reader.read())
        writer.close()
    await runner.cleanup()
    return got


@pytest.mark.parametrize("garbage", [b"\x0b", b"\x00", b"\x7f\x01", b"\n x", b"\r x"])
async def test_a_garbage_head_is_never_echoed_nor_logged(garbage: bytes, caplog: pytest.LogCaptureFixture) -> None:
    head = b"GET /api/ledger HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nAuthorization: Bearer "
    (answer,) = await answers(head + SECRET + garbage + b"\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 4") or answer.startswith(b"HTTP/1.0 4")
    assert SECRET not in answer
    assert SECRET.decode() not in caplog.text


async def test_half_a_head_is_given_up_there_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "HEAD_TIMEOUT_S", 0.01)
    (answer,) = await answers(b"GET /healthz HTTP/1.1\r\n")
    assert answer.startswith(b"HTTP/1.1 408 ")


async def test_two_bodies_that_arrive_slowly_at_the_same_time_are_both_read(tmp_path: Path) -> None:
    body = json.dumps({"events": [{"type": "track", "userId": "u1", "event": "E"}]}).encode()
    head = f"POST /api/try HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {len(body)}"
    async with open_rig(tmp_path) as rig:
        rig.start(Gated)
        app = make_admin_app(FakeDaemon(rig), None, "127.0.0.1", rig.log)
        app[LISTENER] = Listener("admin", limits.ADMIN, Metrics())
        runner = make_runner(app)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        clients = [await asyncio.open_connection(*runner.addresses[0][:2]) for _ in range(2)]
        for reader, writer in clients:
            writer.write(f"{head}\r\nConnection: close\r\nExpect: 100-continue\r\n\r\n".encode())
            assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        for _, writer in clients:
            writer.write(body)
        answers = [await reader.read() for reader, _ in clients]
        assert [answer.split(b"\r\n")[0] for answer in answers] == [b"HTTP/1.1 200 OK"] * 2
        for _, writer in clients:
            writer.close()
        await runner.cleanup()
