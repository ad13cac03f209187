"""Clients of a cluster: each user's calls are numbered, and the next one is sent when the former has its 200."""

from __future__ import annotations

import asyncio
from random import Random
from typing import Any, NamedTuple

import aiohttp

from tests.cluster.nodes import Cluster, Node
from tests.flow.harness import AUTHORIZATION, eventually

GROUPS = 4
"""The group calls of so many users tell the names of their groups; those of the others only say who belongs to them."""
GROUP_CALL = 3
"""The number of a user's group call: what came before waits for it, where there is a gate."""
TWICE = 0.05
"""Share of the calls that are sent again, through another node."""


class Sent(NamedTuple):
    """A call that had its 200."""

    user: int
    n: int


class Clients:
    """Sends until `stop`. `answer_s`: so long one waits for a node, and then asks another one."""

    def __init__(self, cluster: Cluster, seed: int, *, users: int, per_s: float, answer_s: float = 2.0) -> None:
        self.sent: dict[str, Sent] = {}  #: by message id
        self.begun: set[str] = set()  #: those that were sent at least once
        self.failed_twice = 0  #: calls that had no 200 at the second try either
        self._cluster, self._random = cluster, Random(seed)
        self._users, self._pause_s, self._answer_s = users, users / per_s, answer_s
        self._stopped = asyncio.Event()

    def stop(self) -> None:
        """Begin no further call, once each user has sent its group call."""
        self._stopped.set()

    async def run(self) -> None:
        """Until all that was begun has its 200."""
        timeout = aiohttp.ClientTimeout(total=self._answer_s)
        async with aiohttp.ClientSession(timeout=timeout) as http, asyncio.TaskGroup() as group:
            for user in range(self._users):
                group.create_task(self._send_on(http, user))

    async def more(self, n: int) -> None:
        """Wait until this many more calls had their 200."""
        wanted = len(self.sent) + n

        async def has_sent() -> bool:
            return len(self.sent) >= wanted

        await eventually(has_sent, what=f"{n} more calls have their 200")

    async def _send_on(self, http: aiohttp.ClientSession, user: int) -> None:
        n = 0
        await self._pause(self._random.random() * self._pause_s)
        while n <= GROUP_CALL or not self._stopped.is_set():
            path, call = call_of(user, n)
            await self._until_taken(http, path, call)
            if self._random.random() < TWICE:
                await self._until_taken(http, path, call)
            self.sent[call["messageId"]] = Sent(user, n)
            n += 1
            await self._pause(self._pause_s)

    async def _pause(self, seconds: float) -> None:
        if not self._stopped.is_set():
            await asyncio.wait({asyncio.ensure_future(self._stopped.wait())}, timeout=seconds)

    async def _until_taken(self, http: aiohttp.ClientSession, path: str, call: dict[str, Any]) -> None:
        """At one node after the other."""
        self.begun.add(call["messageId"])
        nodes = self._random.sample(self._cluster.nodes, len(self._cluster.nodes))
        tries = 0
        while not await self._is_taken(http, nodes[tries % len(nodes)], path, call):
            tries += 1
            self.failed_twice += tries == 2

    @staticmethod
    async def _is_taken(http: aiohttp.ClientSession, node: Node, path: str, call: dict[str, Any]) -> bool:
        try:
            async with http.post(f"{node.url}/v1/{path}", json=call, headers=AUTHORIZATION) as answer:
                assert answer.status in (200, 503), await answer.text()
                return answer.status == 200
        except (aiohttp.ClientError, TimeoutError):
            await asyncio.sleep(0)
            return False


def call_of(user: int, n: int) -> tuple[str, dict[str, Any]]:
    """A user's call of this number: path and body."""
    call: dict[str, Any] = {"userId": f"u{user}", "messageId": f"u{user}-{n}"}
    if n != GROUP_CALL:
        return "track", {**call, "event": "E", "properties": {"n": n}}
    traits = {"n": n, **({"name": group_of(user)} if user < GROUPS else {})}
    return "group", {**call, "groupId": group_of(user), "traits": traits}


def group_of(user: int) -> str:
    """The group to which a user belongs, and its name."""
    return f"group-{user % GROUPS}"
