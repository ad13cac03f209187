"""The sockets that the daemon listens on."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web

from router.config import Listen
from router.errors import StartError

BACKLOG = 4096


@asynccontextmanager
async def listening(runner: web.AppRunner, listen: Listen, key: str) -> AsyncIterator[str]:
    """Serve on this address; yields the URL. Leaving answers what is being handled first.

    Args:
        key: the table of config.toml that has the address, for the error.

    Raises:
        StartError: the address cannot be used.
    """
    await runner.setup()
    try:
        site = web.TCPSite(runner, listen.host, listen.port, backlog=BACKLOG)
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
