"""A client of delivery for tests that play the vendor in memory: what `router.deliver.send.http_client` asks for, no network."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from router.deliver.send.http_client import Exchange, Fault, OnDone, Reply, send
from router.plugin import Answer, Request

Play = Callable[[Request], Awaitable[Answer]]
"""Answers a request, or raises TimeoutError or ConnectionResetError."""


class VendorClient:
    """Hands each request to a function, in a task of its own."""

    def __init__(self, play: Play, timeout_s: float = 10.0) -> None:
        self._play, self._timeout_s = play, timeout_s
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def in_flight(self) -> int:
        return len(self._tasks)

    def start(self, request: Request, on_done: OnDone) -> Exchange:
        task = asyncio.get_running_loop().create_task(self._run(request, on_done), name="vendor")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task  # type: ignore[return-value]

    async def _run(self, request: Request, on_done: OnDone) -> None:
        result: Reply | Fault
        try:
            async with asyncio.timeout(self._timeout_s):
                result = as_reply(await self._play(request))
        except TimeoutError:
            result = Fault("timeout", "no answer in time", sent=True)
        except ConnectionResetError as error:
            result = Fault("closed", str(error), sent=True)
        on_done(result)

    async def send(self, request: Request) -> Reply:
        return await send(self, request)

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()


def as_reply(answer: Answer) -> Reply:
    """What an answer looks like on the wire."""
    headers = dict(answer.headers)
    if answer.retry_after_s is not None:
        headers["retry-after"] = str(answer.retry_after_s)
    return Reply(answer.status, headers, answer.body)
