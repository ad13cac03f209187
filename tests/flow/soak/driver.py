"""Posts the calls at a set rate, each request until it has its 200, and times the answers.

The rate is that of the plan, whatever the daemon does: what is late is sent as soon as it can be.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from functools import partial
from typing import Any

import aiohttp
import msgspec

from tests.flow.harness import AUTHORIZATION, eventually
from tests.flow.soak.traffic import call, last_calls

BATCH = 5
MOST_OPEN = 200
"""Requests that wait for their 200. While the daemon is down, no more begin."""
TAKEN_S = 300.0
HEADERS = {**AUTHORIZATION, "Content-Type": "application/json"}


class Driver:
    """`sent`: events that had their 200. `times`: of the answers since they were last taken, in seconds."""

    def __init__(self, url: str, http: aiohttp.ClientSession, rate: float) -> None:
        self.sent = self.repeated = 0
        self.begun = 0  #: events that were given to a request
        self.times: list[float] = []
        self._url, self._http, self._rate = f"{url}/v1/batch", http, rate
        self._open = asyncio.Semaphore(MOST_OPEN)
        self._due = time.monotonic()
        self._more = asyncio.Condition()

    async def send(self, until: int) -> None:
        """Begin requests at the rate, until so many events were begun in all, and wait until they have their 200. Another answer than
        200 and 503 ends it at once."""
        async with asyncio.TaskGroup() as requests:
            while self.begun < until:
                await self._pace()
                calls = [call(number) for number in range(self.begun, self.begun + BATCH)]
                await self._begin(requests, calls)

    async def reach(self, events: int) -> None:
        """Return once so many events were begun."""
        async with self._more:
            await self._more.wait_for(lambda: self.begun >= events)

    async def finish(self) -> None:
        """Send what opens every gate, and wait until it has its 200."""
        calls = list(last_calls(self.begun))
        async with asyncio.TaskGroup() as requests:
            for at in range(0, len(calls), BATCH):
                await self._begin(requests, calls[at : at + BATCH])

    async def _pace(self) -> None:
        now = time.monotonic()
        self._due = max(self._due + BATCH / self._rate, now - 1.0)  # no more than a second is caught up with
        await asyncio.sleep(max(0.0, self._due - now))

    async def _begin(self, requests: asyncio.TaskGroup, calls: Sequence[dict[str, Any]]) -> None:
        await self._open.acquire()
        async with self._more:
            self.begun += len(calls)
            self._more.notify_all()
        requests.create_task(self._post(calls)).add_done_callback(lambda _: self._open.release())

    async def _post(self, calls: Sequence[dict[str, Any]]) -> None:
        body = msgspec.json.encode({"batch": calls})
        began = time.monotonic()
        if await self._is_taken(body):
            self.times.append(time.monotonic() - began)
        else:
            self.repeated += len(calls)
            await eventually(partial(self._is_taken, body), TAKEN_S, "a batch gets its 200")
        self.sent += len(calls)

    async def _is_taken(self, body: bytes) -> bool:
        try:
            async with self._http.post(self._url, data=body, headers=HEADERS) as answer:
                assert answer.status in (200, 503), (answer.status, await answer.text())
                return answer.status == 200
        except (aiohttp.ClientError, TimeoutError):
            return False
