"""The vendors of a cluster in one server: each has a path, behind which stands the node that sends."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from router.testing.vendor import FakeVendor, Received, Reply

Answer = Callable[[Received], Reply]
TAKEN = Reply(200)


class Arrival(NamedTuple):
    """An item that a vendor has taken."""

    node: str
    item: Mapping[str, Any]
    at: float  #: by the loop's clock


class Vendors:
    """What each has taken, in the order in which it came. `answers`: by destination; what is no 2xx is not taken."""

    def __init__(self, server: FakeVendor, answers: Mapping[str, Answer]) -> None:
        self.taken: dict[str, list[Arrival]] = {}
        self.server = server
        self.answers = dict(answers)
        server.answer = self._answer

    def _answer(self, seen: Received) -> Reply:
        _, destination, node = seen.url.split("/")
        reply = self.answers[destination](seen) if destination in self.answers else TAKEN
        if reply.status < 300:
            items: Any = seen.json()
            at = asyncio.get_running_loop().time()
            self.taken.setdefault(destination, []).extend(Arrival(node, item, at) for item in items)
        self.server.requests.clear()  # a long run has too many of them
        return reply

    def of(self, destination: str) -> list[Arrival]:
        """What this one has taken."""
        return self.taken.get(destination, [])

    def twice(self, destination: str) -> int:
        """How often it was sent what it had."""
        arrivals = self.of(destination)
        return len(arrivals) - len({arrival.item["id"] for arrival in arrivals})
