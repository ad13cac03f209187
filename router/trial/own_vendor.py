"""The answers that the author of a plugin wrote for its tests, to a request of a trial. Nothing is sent."""

from __future__ import annotations

from router.deliver.send.http_client import Reply
from router.deliver.send.http_request import Heads
from router.plugin import Request
from router.testing.checking.vendor_in_memory import MadeUpVendor

__all__ = ["OwnVendor"]


class OwnVendor(MadeUpVendor):
    """Implements `Client`."""

    async def send(self, request: Request) -> Reply:
        """The answer. Raises Fault, also for a request that could not be sent."""
        Heads().of(request)
        return await super().send(request)
