"""The sockets that the daemon listens on: its own, or those that systemd passes to it."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from aiohttp import web

from router.config import Listen
from router.errors import StartError
from router.ingest.aiohttp_server import IngestRunner

BACKLOG = 4096


@asynccontextmanager
async def listening(
    runner: IngestRunner, listen: Listen, key: str, passed: Sequence[socket.socket] = ()
) -> AsyncIterator[str]:
    """Serve on this address; yields the URL. Leaving answers what is being handled first.

    Args:
        key: the table of config.toml that has the address, for the error.
        passed: sockets that listen on it already. Without any, one is opened.

    Raises:
        StartError: the address cannot be used.
    """
    runner.is_held = bool(passed)
    await runner.setup()
    try:
        sites: list[web.BaseSite] = [web.SockSite(runner, one, backlog=BACKLOG) for one in passed]
        for site in sites or [web.TCPSite(runner, listen.host, listen.port, backlog=BACKLOG)]:
            try:
                await site.start()
            except OSError as error:
                words = error.strerror or str(error)
                raise StartError(
                    f"{key}.listen {listen}: {words}: is another process using it? Change it or stop that one"
                ) from None
        host, port = runner.addresses[0][:2]
        yield f"http://{f'[{host}]' if ':' in host else host}:{port}"
    finally:
        await runner.cleanup()
