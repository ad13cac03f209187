"""What the daemon is measured against: the same work with something left out.

bare: an aiohttp handler that reads the body and answers. forwarder: one that posts the body on with aiohttp's client, and answers
when that is answered. null: ingestion as it is, but nothing is stored. References without HTTP are in `stores`.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from pathlib import Path

import aiohttp
from aiohttp import web

from router.clock import SystemClock
from router.config import load
from router.event import Call, Discard
from router.ingest.aiohttp_server import make_runner
from router.ingest.routes import make_app
from router.ingest.write_key import Sources

_ANSWER = b'{"success": true}'

Say = Callable[[int], None]


async def until_input_ends() -> None:
    """Return when the parent closes this process's standard input."""
    ended = asyncio.Event()
    asyncio.get_running_loop().add_reader(sys.stdin, ended.set)
    await ended.wait()
    asyncio.get_running_loop().remove_reader(sys.stdin)


async def serve_bare(say: Say) -> None:
    """An aiohttp application that reads the body and answers 200."""

    async def answer(request: web.Request) -> web.Response:
        await request.read()
        return web.Response(body=_ANSWER, content_type="application/json")

    app = web.Application()
    app.router.add_post("/{path:.*}", answer)
    await _serve(web.AppRunner(app, access_log=None, auto_decompress=False), say)


async def serve_forwarder(sink_port: int, say: Say) -> None:
    """An aiohttp application that posts each body to the sink, awaits the answer and answers 200. It keeps nothing."""
    async with aiohttp.ClientSession() as client:
        url, headers = f"http://127.0.0.1:{sink_port}/ok/forwarder", {"Content-Type": "application/json"}

        async def forward(request: web.Request) -> web.Response:
            async with client.post(url, data=await request.read(), headers=headers) as answer:
                await answer.read()
                return web.Response(status=answer.status, body=_ANSWER, content_type="application/json")

        app = web.Application()
        app.router.add_post("/{path:.*}", forward)
        await _serve(web.AppRunner(app, access_log=None, auto_decompress=False), say)


class _NoStore:
    """A sink that answers at once."""

    def accept_soon(
        self, calls: list[Call], discards: list[Discard], on_done: Callable[[Exception | int], None]
    ) -> None:
        """Nothing is kept."""
        asyncio.get_running_loop().call_soon(on_done, 0)


async def serve_without_store(config: Path, say: Say) -> None:
    """Ingestion with the sources of this configuration, accepting into nothing."""
    app = make_app(_NoStore(), Sources(load(config).sources), SystemClock())
    await _serve(make_runner(app), say)


async def _serve(runner: web.AppRunner, say: Say) -> None:
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        say(runner.addresses[0][1])
        await until_input_ends()
    finally:
        await runner.cleanup()
