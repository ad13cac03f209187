"""The way to a fake vendor: the router's own client of HTTP, and every request of the plugin goes there, whatever its URL."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count
from urllib.parse import urlsplit

import msgspec

from router.clock import Clock
from router.config import DeliveryConfig
from router.deliver.send.http_client import Client, Exchange, Fault, OnDone, Reply, open_client, send
from router.plugin import Request
from router.testing.vendor import FakeVendor

PATIENCE_S = 600.0
"""The client's own time-out. The one of the table is kept by the clock of the test, so a busy machine runs into none."""


class Detour:
    """A client whose requests all end at one fake vendor. The plugin sees no difference; the vendor is shown the plugin's URL."""

    def __init__(self, client: Client, vendor: FakeVendor, clock: Clock, timeout_s: float) -> None:
        self._client, self._vendor, self._clock, self._timeout_s = client, vendor, clock, timeout_s
        self._numbers = count(1)
        self.in_flight = 0

    def start(self, request: Request, on_done: OnDone) -> Exchange:
        """See `Client`."""
        number = next(self._numbers)
        moved = self._moved(request, number)
        ended = _OnTheWay(self, on_done)
        ended.exchange = self._client.start(moved, ended.done)
        ended.timer = asyncio.create_task(self._time_out(number, ended), name="time-out")
        return ended

    async def send(self, request: Request) -> Reply:
        """See `Client`."""
        return await send(self, request)

    async def close(self) -> None:
        """See `Client`."""
        await self._client.close()

    def _moved(self, request: Request, number: int) -> Request:
        """The same request, for the fake vendor. What has no host stays as it is: the client refuses it."""
        to = urlsplit(request.url)
        if to.scheme not in ("http", "https") or not to.hostname:
            return request
        return msgspec.structs.replace(request, url=f"{self._vendor.url}/{number}/{request.url}")

    async def _time_out(self, number: int, way: _OnTheWay) -> None:
        await self._clock.sleep(self._timeout_s)
        begun = self._vendor.begun.get(number)
        if begun is not None:  # a status that was read decides
            headers = {name.lower(): value for name, value in begun.headers.items()}
            way.end(Reply(begun.status, headers, b"", trouble="body: it took too long"))
        else:
            way.end(Fault("timeout", "the vendor did not answer in time", sent=True))


class _OnTheWay:
    """One request, which ends once: by its answer, by the clock, or cancelled."""

    exchange: Exchange
    timer: asyncio.Task[None]

    def __init__(self, detour: Detour, on_done: OnDone) -> None:
        self._detour, self._on_done, self._is_over = detour, on_done, False
        detour.in_flight += 1

    def done(self, result: Reply | Fault) -> None:
        if self._close():
            self.timer.cancel()
            self._on_done(result)

    def end(self, result: Reply | Fault) -> None:
        if self._close():
            self.exchange.cancel()
            self._on_done(result)

    def cancel(self) -> None:
        if self._close():
            self.timer.cancel()
            self.exchange.cancel()

    def _close(self) -> bool:
        if self._is_over:
            return False
        self._is_over = True
        self._detour.in_flight -= 1
        return True


@asynccontextmanager
async def open_detour(delivery: DeliveryConfig, vendor: FakeVendor, clock: Clock) -> AsyncIterator[Detour]:
    """The client of a destination, for tests."""
    async with open_client(delivery.model_copy(update={"timeout_s": PATIENCE_S})) as client:
        yield Detour(client, vendor, clock, delivery.timeout_s)
