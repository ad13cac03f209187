"""Several daemons on one database: one of them is killed or frozen, and what it delivered goes on at another one. What arrived is counted."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random as chance
import signal
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from router.testing.vendor import FakeVendor, Reply
from tests.flow.cluster import owners, two_nodes
from tests.flow.harness import AUTHORIZATION, Daemon, assert_ledger_adds_up, eventually
from tests.postgres_server import Server, running

ROUNDS = int(os.environ.get("CLUSTER_ROUNDS", "3"))
ANSWER_S = 2.0
"""So long a client waits for a node; then it asks the other one."""
USERS = 12
TWICE = 0.05
"""Share of the events that a client sends again, through the other node."""


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with running(fsync=True) as server:
        yield server


class Client:
    """Sends numbered tracks of some users through whichever node answers; of one user, one after the other."""

    def __init__(self, nodes: Sequence[Daemon], seed: int) -> None:
        self.sent: list[str] = []  #: message ids that had their 200
        self.is_done = False
        self._nodes, self._random = nodes, chance.Random(seed)

    async def run(self) -> None:
        """Send until `is_done`."""
        timeout = aiohttp.ClientTimeout(total=ANSWER_S)
        async with aiohttp.ClientSession(timeout=timeout) as http, asyncio.TaskGroup() as group:
            for user in range(USERS):
                group.create_task(self._send_on(http, user))

    async def _send_on(self, http: aiohttp.ClientSession, user: int) -> None:
        n = 0
        while not self.is_done:
            call: dict[str, Any] = {"userId": f"u{user}", "event": "E", "properties": {"n": n}}
            path, call["messageId"] = "track", f"u{user}-{n}"
            if n == 3:
                path, call["groupId"], call["traits"] = "group", "acme", {"name": "Acme", "n": n}
            await self._until_taken(http, path, call)
            if self._random.random() < TWICE:
                await self._until_taken(http, path, call)
            self.sent.append(call["messageId"])
            n += 1

    async def _until_taken(self, http: aiohttp.ClientSession, path: str, call: dict[str, Any]) -> None:
        while True:
            node = self._random.choice(self._nodes)
            try:
                async with http.post(f"{node.url}/v1/{path}", json=call, headers=AUTHORIZATION) as answer:
                    assert answer.status in (200, 503), await answer.text()
                    if answer.status == 200:
                        return
            except (aiohttp.ClientError, TimeoutError):
                await asyncio.sleep(0)


def violations(vendor: FakeVendor, sent: Sequence[str]) -> list[str]:
    """What was lost at the vendor, or came in another order than it was sent: of each event its first arrival counts."""
    wrong = []
    for name in ("open", "gated"):
        arrived: dict[str, list[int]] = {}
        seen: set[str] = set()
        for request in vendor.requests:
            for item in request.json() if request.url.startswith(f"/{name}/") else ():
                if item["id"] not in seen:
                    seen.add(item["id"])
                    arrived.setdefault(item["user"], []).append(item["n"])
        wrong += [f"{name}: {id} never arrived" for id in sorted(set(sent) - seen)]
        wrong += [f"{name}: {id} was not sent" for id in sorted(seen - set(sent))]
        for user, numbers in arrived.items():
            numbers = [n for n in numbers if n != 3]  # the group call opens the gate for those before it
            if numbers != sorted(numbers):
                wrong.append(f"{name}: {user} came as {numbers}")
    return wrong


async def test_a_node_that_is_killed_or_frozen_is_replaced_and_nothing_is_lost_or_out_of_order(
    tmp_path: Path, server: Server
) -> None:
    random = chance.Random(7)
    async with FakeVendor() as vendor, two_nodes(tmp_path, server, vendor) as nodes:
        vendor.answer = lambda seen: Reply(500) if random.random() < 0.05 else Reply(200, delay_s=0.005)
        client, is_over = Client(nodes, 7), False
        frozen: set[Daemon] = set()

        async def look() -> None:
            """The ledger adds up at whatever node is asked, at every moment."""
            while not is_over:
                for node in nodes:
                    if node not in frozen and node.process is not None and await is_ready(node):
                        with contextlib.suppress(aiohttp.ClientError):  # it was killed meanwhile
                            assert_ledger_adds_up(await node.ledger())
                await asyncio.sleep(0.1)

        async def act(how: str) -> None:
            """Something happens to the node that has a destination, until the other one has everything."""
            victim = nodes[owners(nodes[0])["open"] == "b"]
            other = nodes[1 - nodes.index(victim)]
            sent = len(client.sent)
            frozen.add(victim)
            assert victim.process is not None
            if how == "kill":
                victim.kill()
            else:
                victim.process.send_signal(signal.SIGSTOP)

            async def has_all() -> bool:
                return owners(other) == {"open": other.folder.name, "gated": other.folder.name}

            await eventually(has_all, what=f"{other.folder.name} has everything")
            if how == "kill":
                await victim.restart()
            else:
                lost = len(victim.log("claim_lost"))
                victim.process.send_signal(signal.SIGCONT)
                await eventually(lambda: has_lost(victim, lost), what="the frozen node finds that it was replaced")
            frozen.discard(victim)
            await eventually(lambda: has_sent(sent + 5 * USERS), what="the client goes on")

        async def has_lost(victim: Daemon, before: int) -> bool:
            return len(victim.log("claim_lost")) > before

        async def has_sent(n: int) -> bool:
            return len(client.sent) >= n

        async with asyncio.TaskGroup() as group:
            group.create_task(client.run())
            looking = group.create_task(look())
            await eventually(lambda: has_sent(5 * USERS))
            for number in range(ROUNDS):
                await act(("kill", "freeze")[number % 2])
            client.is_done = is_over = True
            await looking
        vendor.answer = None
        ledger = await nodes[0].emptied()
        assert (await nodes[1].ledger())["destinations"].keys() == ledger["destinations"].keys()
        assert ledger["accepted"] == len(client.sent) == len(set(client.sent))
        assert violations(vendor, client.sent) == []
        taken_over = sum(len(node.log("destination_taken_over")) for node in nodes)
        fenced = sum(len(node.log("claim_lost")) for node in nodes)
        arrived = sum(len(request.json()) for request in vendor.requests)
        print(f"{ROUNDS} acts, {len(client.sent)} events, {arrived} arrived, {taken_over} taken over, {fenced} fenced")
        assert taken_over >= ROUNDS
        assert fenced >= ROUNDS // 2


async def is_ready(node: Daemon) -> bool:
    """Whether it answers now."""
    try:
        return (await node.admin("GET", "/readyz"))[0] == 200
    except (aiohttp.ClientError, AssertionError):
        return False


async def test_a_node_that_stops_gives_its_destinations_back_and_nothing_is_sent_twice(
    tmp_path: Path, server: Server
) -> None:
    async with FakeVendor() as vendor, two_nodes(tmp_path, server, vendor, "30s") as nodes:
        client = Client(nodes, 8)
        first = nodes[owners(nodes[0])["open"] == "b"]
        other = nodes[1 - nodes.index(first)]
        async with asyncio.TaskGroup() as group:
            group.create_task(client.run())

            async def has_sent(n: int) -> bool:
                return len(client.sent) >= n

            async def has_all() -> bool:
                return owners(other) == {"open": other.folder.name, "gated": other.folder.name}

            await eventually(lambda: has_sent(5 * USERS))
            assert await first.terminate() == 0
            await eventually(has_all)
            sent = len(client.sent)
            await eventually(lambda: has_sent(sent + 5 * USERS))
            client.is_done = True
        await first.restart()
        ledger = await first.emptied()
        assert ledger["accepted"] == len(client.sent)
        arrived = [item["id"] for request in vendor.requests for item in request.json()]
        assert len(arrived) == 2 * len(client.sent), "each event once at each destination"
        assert violations(vendor, client.sent) == []
        assert other.log("destination_taken_over") == [], "in good order"
