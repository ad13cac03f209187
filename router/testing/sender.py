"""The router's own Sender, with its redaction and its rules, for tests of `deliver`, `verdict` and `check`.

async with open_sender(Greeter, {"token": "T-4711"}, fake_vendor) as sender:
    fake_vendor.script(Reply(401, json={"you sent": "T-4711"}))
    assert await sender.deliver([Item({"who": "u1"})]) == [Pause("credentials", 'status 401: {"you sent":"T-4711"}')]
    assert sender.shown("T-4711 was refused") == "*** was refused"
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

from router.deliver.send.http_client import Client, Fault, Reply
from router.deliver.send.sender import Attempt, call_deliver, read_result
from router.plugin import JSON, Answer, Item, Outcome, Request
from router.plugin_host import Destination
from router.plugin_host.lifetime import Lifetime
from router.testing.around import make_destination
from router.testing.clock import FakeClock
from router.testing.detour import open_detour
from router.testing.vendor import FakeVendor

__all__ = ["PluginSender", "open_sender"]


class PluginSender:
    """A Sender, as `deliver` and `check` get it, and the instance of the plugin that it belongs to."""

    def __init__(self, destination: Destination, client: Client, clock: FakeClock) -> None:
        self.destination, self.clock = destination, clock
        self._client = client

    @property
    def plugin(self) -> Any:
        """The instance. Its `lifetime` is open."""
        return self.destination.instance

    async def send(self, request: Request) -> Answer:
        """See `router.plugin.Sender`."""
        return await self._attempt().send(request)

    def secret(self, value: str) -> None:
        """See `router.plugin.Sender`."""
        self._attempt().secret(value)

    def monotonic(self) -> float:
        """Seconds by `clock`, which the test moves: a `Token` expires by them."""
        return self.clock.monotonic()

    def shown(self, text: str) -> str:
        """The text as it is stored, logged and shown: with `***` in place of each secret."""
        return self.destination.redact(text)

    async def deliver(self, items: Sequence[Item]) -> list[Outcome]:
        """Send these items once, as the router does: by `deliver`, else by `request` and `verdict`. One outcome per item. Whatever a
        hook raises or returns is an outcome by then."""
        attempt, copies = self._attempt(), [Item.of_json(item.json, item.kind) for item in items]
        if "deliver" in self.destination.hooks:
            return await call_deliver(self.destination, copies, attempt)
        request = self.destination.hooks["request"](copies)
        attempt.note(request)
        result: Reply | Fault
        try:
            result = await self._client.send(request)
        except Fault as fault:
            result = fault
        return read_result(self.destination, copies, attempt, result)

    async def check(self) -> str:
        """Call the hook `check`. Raises what it raises."""
        words: str = await self.destination.hooks["check"](self._attempt())
        return words

    def _attempt(self) -> Attempt:
        return Attempt(self.destination, self._client, self.clock)


@asynccontextmanager
async def open_sender(
    plugin: type[Any], settings: Mapping[str, JSON] | None, vendor: FakeVendor, **table: Any
) -> AsyncIterator[PluginSender]:
    """A plugin with the Sender of its destination. Every request ends at `vendor`, which is shown the URL that the plugin asked for.

    Args:
        settings, table: as of `Bench`.

    Raises:
        ConfigError: for a class or settings that the router would refuse.
    """
    destination, clock = make_destination(plugin, settings, **table), FakeClock()
    async with open_detour(destination.config.delivery, vendor, clock) as client:
        lifetime = Lifetime(destination)
        await lifetime.open()
        try:
            yield PluginSender(destination, client, clock)
        finally:
            await lifetime.close()
