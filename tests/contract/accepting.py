"""Accept calls as ingestion does, and wait until they are stored."""

from __future__ import annotations

import asyncio

from router.accept import Acceptor
from router.event import Call


async def accept(acceptor: Acceptor, calls: list[Call]) -> None:
    """Return once these are on stable storage. Raises StoreError when they are not."""
    stored: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    def on_done(result: Exception | int) -> None:
        if stored.done():
            return
        if isinstance(result, Exception):
            stored.set_exception(result)
        else:
            stored.set_result(result)

    acceptor.accept_soon(calls, [], on_done)
    await stored
