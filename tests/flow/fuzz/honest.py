"""The honest client, whose numbered events must all arrive, and the vendor that notes in which order they do."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator, Mapping
from contextlib import asynccontextmanager
from random import Random
from typing import Any

from router.testing.vendor import FakeVendor, Received, Reply
from tests.flow.harness import Daemon

USERS = 20
TAKEN_S = 300.0


class HonestVendor:
    """Accepts everything at once. `orders`: each user's message ids in the order of their first arrival."""

    def __init__(self) -> None:
        self.orders: dict[str, dict[str, str]] = {}  #: user -> message id -> type of call
        self.arrivals = 0  #: of honest events, second ones included

    def start(self, vendor: FakeVendor) -> None:
        """Answer for this server."""
        self._vendor = vendor
        vendor.answer = self._note

    def _note(self, seen: Received) -> Reply:
        self._vendor.requests.clear()
        for item in json.loads(seen.body):
            if str(item["user"]).startswith("honest-"):
                self.arrivals += 1
                self.orders.setdefault(item["user"], {}).setdefault(item["id"], item["type"])
        return Reply(200, json={})


@asynccontextmanager
async def honest_vendor() -> Any:
    """A vendor with its server: (what it notes, its url)."""
    notes = HonestVendor()
    async with FakeVendor() as vendor:
        notes.start(vendor)
        yield notes, vendor.url


class HonestClient:
    """Sends one call at a time, again until it has its 200. Each user joins a group after some of their tracks."""

    def __init__(self, daemon: Daemon, random: Random) -> None:
        self._daemon, self._random = daemon, random
        self._number = 0
        self.sent: dict[str, dict[str, str]] = {}  #: as HonestVendor.orders
        self.repeated = 0  #: calls that needed more than one try

    async def run(self, gap_s: float) -> None:
        """Send until it is cancelled."""
        while True:
            await self._send(
                f"honest-{self._random.randrange(USERS)}",
                self._random.choices(("track", "identify", "group"), (80, 15, 5))[0],
            )
            await asyncio.sleep(self._random.expovariate(1 / gap_s))

    async def finish(self) -> None:
        """Send each user's last group call, which opens every gate, and a track behind it."""
        for number in range(USERS):
            await self._send(f"honest-{number}", "group")
            await self._send(f"honest-{number}", "track")

    async def _send(self, user: str, type: str) -> None:
        self._number += 1
        call: dict[str, Any] = {"userId": user, "messageId": f"honest-{self._number}"}
        if type == "track":
            call |= {"event": "Opened", "properties": {"n": self._number}}
        elif type == "group":
            call |= {"groupId": f"group-of-{user}", "traits": {"name": f"Group of {user}", "n": self._number}}
        else:
            call["traits"] = {"n": self._number}
        self.sent.setdefault(user, {})[call["messageId"]] = type  # before the 200: a cancelled call may be stored, too
        self.repeated += await self._daemon.post_until_taken(type, call, TAKEN_S) > 1


def missing(sent: Mapping[str, Mapping[str, str]], arrived: Mapping[str, Mapping[str, str]]) -> list[str]:
    """Message ids that never arrived."""
    return [id for user, calls in sent.items() for id in calls if id not in arrived.get(user, {})]


def out_of_order(arrived: Mapping[str, Mapping[str, str]], gated: bool) -> Iterator[str]:
    """Users whose events came first in another order than they were sent. Behind a gate, tracks and other calls have each their own."""
    for user, calls in arrived.items():
        kinds = ({"track"}, {"identify", "group"}) if gated else ({"track", "identify", "group"},)
        for types in kinds:
            numbers = [int(id.removeprefix("honest-")) for id, type in calls.items() if type in types]
            if numbers != sorted(numbers):
                yield f"{user}: {numbers}"
