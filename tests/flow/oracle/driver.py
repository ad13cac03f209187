"""The driver: posts batches of the users' calls, each until it gets its 200, and notes the obligation."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import partial
from itertools import count
from random import Random
from typing import Any

import aiohttp
import msgspec

from tests.flow.harness import AUTHORIZATION, eventually
from tests.flow.oracle.traffic import Sent, User

TAKEN_S = 120.0
POSTERS = 8
Call = tuple[Sent, dict[str, Any]]


class Driver:
    """Several posters, each with users of its own: of one user, one call is sent after the other."""

    def __init__(self, url: str, http: aiohttp.ClientSession, seed: int, users: int, batch: int) -> None:
        self.sent: list[Sent] = []  #: the obligations
        self.repeated = 0  #: events of requests that were cut: sent again
        self._url, self._http, self._batch = f"{url}/v1/batch", http, batch
        numbers, groups = count(1), max(7, users // 20)
        self._users = [User(n, groups, numbers, Random(f"{seed}-{n}")) for n in range(users)]
        self._random = Random(f"{seed}-posters")
        self._allowed = 0
        self._more = asyncio.Condition()

    async def allow(self, events: int) -> None:
        """Let so many events be sent in all."""
        async with self._more:
            self._allowed = events
            self._more.notify_all()

    async def behind(self, events: int) -> None:
        """Return once no more than so many allowed events are still to be answered."""
        async with self._more:
            await self._more.wait_for(lambda: self._allowed - len(self.sent) <= events)

    async def post(self, events: int) -> None:
        """Send random calls of random users, as they are allowed, until `events` have their 200 (a few more may)."""
        async with asyncio.TaskGroup() as group:
            for number in range(POSTERS):
                group.create_task(self._post_on(self._users[number::POSTERS], events))

    async def post_last(self) -> None:
        """Send what opens every gate that is still shut."""
        async with asyncio.TaskGroup() as group:
            for number in range(POSTERS):
                group.create_task(self._post_all(self._users[number::POSTERS]))

    async def post_one(self) -> Sent:
        """One event of a user who has a group."""
        call = self._users[0].group()
        await self._post([call])
        return call[0]

    async def _post_on(self, users: Sequence[User], events: int) -> None:
        while len(self.sent) < events:
            async with self._more:
                await self._more.wait_for(lambda: len(self.sent) < self._allowed or len(self.sent) >= events)
            size = self._random.randint(1, self._batch)
            await self._post([user.next() for user in self._random.choices(users, k=size)])

    async def _post_all(self, users: Sequence[User]) -> None:
        calls = [call for user in users for call in user.last()]
        for at in range(0, len(calls), self._batch):
            await self._post(calls[at : at + self._batch])

    async def _post(self, calls: Sequence[Call]) -> None:
        body = msgspec.json.encode({"batch": [call for _, call in calls]})
        await eventually(partial(self._is_taken, body, len(calls)), TAKEN_S, "a batch gets its 200")
        async with self._more:
            self.sent += [sent for sent, _ in calls]
            self._more.notify_all()

    async def _is_taken(self, body: bytes, events: int) -> bool:
        headers = {**AUTHORIZATION, "Content-Type": "application/json"}
        try:
            async with self._http.post(self._url, data=body, headers=headers) as answer:
                assert answer.status in (200, 503), (answer.status, await answer.text())
                return answer.status == 200
        except aiohttp.ClientConnectorError:
            return False  # it is down: nothing was sent
        except (aiohttp.ClientError, TimeoutError):
            self.repeated += events
            return False
