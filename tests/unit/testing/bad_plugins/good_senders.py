"""Good plugins that send in an unusual way: no check may refuse them."""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import secrets
import time
from collections import deque
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, ClassVar

from router.plugin import (
    Answer,
    Batch,
    Delivered,
    Item,
    Outcome,
    Pause,
    Request,
    RetryLater,
    Sender,
    by_status,
    hookimpl,
    json_request,
    raise_for_status,
)
from router.testing import Received, Reply
from tests.unit.testing.bad_plugins.good import DELETE, Good, GoodSettings

ONE_BY_ONE: Mapping[str, Batch] = {"": Batch(), DELETE: Batch()}


class Compresses(Good):
    """The head of gzip holds the time, so no two attempts have the same bytes."""

    def build(self, items: list[Item], token: str) -> Request:
        built = super().build(items, token)
        headers = {**built.headers, "Content-Encoding": "gzip"}
        return Request(built.url, headers=headers, body=gzip.compress(built.body))


class UploadsInParts(Good):
    """Parts at the same time, and a last request that completes them."""

    kinds = ONE_BY_ONE

    async def send(self, items: list[Item], sender: Sender) -> Outcome | Sequence[Outcome]:
        token = await self.token.get(sender)
        built = self.build(items, token)
        name, half = hashlib.sha256(built.body).hexdigest(), len(built.body) // 2

        async def put(part: int) -> Answer:
            body = (built.body[:half], built.body[half:])[part]
            return await sender.send(Request(f"{built.url}/{name}/{part}", "PUT", built.headers, body))

        for answer in await asyncio.gather(put(0), put(1)):
            if answer.status == 401:
                self.token.drop(token)
            raise_for_status(answer)
        completed = await sender.send(Request(f"{built.url}/{name}", headers=built.headers, body=b"[0,1]"))
        if completed.status == 401:
            self.token.drop(token)
        return by_status(completed, len(items))


class LooksUpAllFirst(Good):
    """All at the same time, which changes nothing at the vendor."""

    async def send(self, items: list[Item], sender: Sender) -> Outcome | Sequence[Outcome]:
        headers = {"Authorization": f"Bearer {await self.token.get(sender)}"}
        places = dict.fromkeys(hashlib.sha256(item.json).hexdigest() for item in items)
        asked = [Request(f"{self.settings.base_url}/known/{place}", "GET", headers) for place in places]
        for answer in await asyncio.gather(*map(sender.send, asked)):
            raise_for_status(answer, len(items))
        return await super().send(items, sender)


def vendor_of_jobs(seen: Received) -> Reply:
    if seen.url.endswith("/token"):
        return Reply(json={"access_token": "token-of-a-vendor", "expires_in": 3600})
    return Reply(json={"state": "done"} if seen.method == "GET" else {"job": 7})


class AsksWhetherItIsDone(Good):
    """The vendor works on it later."""

    options: ClassVar[dict[str, Any]] = {"vendor": vendor_of_jobs}

    async def send(self, items: list[Item], sender: Sender) -> Outcome | Sequence[Outcome]:
        begun = await self.token.send(sender, lambda token: self.build(items, token))
        raise_for_status(begun, len(items))
        url = f"{self.settings.base_url}/jobs/7"
        for _ in range(3):
            answer = await self.token.send(
                sender, lambda token: Request(url, "GET", {"Authorization": f"Bearer {token}"})
            )
            raise_for_status(answer, len(items))
            told = answer.json()
            if isinstance(told, dict) and told.get("state") == "done":
                return Delivered()
            await asyncio.sleep(2)
        return RetryLater("not_done")


class UpdatesWhatIsThere(Good):
    """A 409 says that it is there: then it is put in its place."""

    kinds = ONE_BY_ONE

    async def send(self, items: list[Item], sender: Sender) -> Outcome | Sequence[Outcome]:
        def put(token: str) -> Request:
            built = self.build(items, token)
            return Request(f"{built.url}/{hashlib.sha256(items[0].json).hexdigest()}", "PUT", built.headers, built.body)

        answer = await self.token.send(sender, lambda token: self.build(items, token))
        if answer.status == 409:
            answer = await self.token.send(sender, put)
        return by_status(answer, len(items))


class SignsWithANonce(Good):
    """With chance, the clock and a thread, in a header."""

    async def send(self, items: list[Item], sender: Sender) -> Outcome | Sequence[Outcome]:
        body = self.build(items, "").body
        nonce, now = secrets.token_hex(8), int(time.time())
        signed = await asyncio.to_thread(hashlib.sha256, f"{nonce}{now}".encode() + body)

        def sign(token: str) -> Request:
            built = self.build(items, token)
            return Request(built.url, headers={**built.headers, "X-Signed": signed.hexdigest()}, body=body)

        answer = await self.token.send(sender, sign)
        return by_status(answer, len(items))


class WorksBesideItsLife(Good):
    """A task that lasts as long as the lifetime does, and a few last things that it remembers."""

    def __init__(self, settings: GoodSettings) -> None:
        super().__init__(settings)
        self.latest: deque[str] = deque(maxlen=50)

    @hookimpl
    async def lifetime(self) -> AsyncIterator[None]:
        async with asyncio.TaskGroup() as group:
            task = group.create_task(self._forget_some())
            yield
            task.cancel()

    async def _forget_some(self) -> None:
        while True:
            await asyncio.sleep(60)
            self.latest.clear()

    async def send(self, items: list[Item], sender: Sender) -> Outcome | Sequence[Outcome]:
        self.latest.extend(item.json.decode() for item in items)
        return await super().send(items, sender)


class AnswersInGraphql(Good):
    """What went wrong is in a 200."""

    def build(self, items: list[Item], token: str) -> Request:
        built = super().build(items, token)
        query = "mutation($items: [Item!]!) { add(items: $items) { id } }"
        return json_request(
            built.url, {"query": query, "variables": {"items": [item.body for item in items]}}, headers=built.headers
        )

    def read(self, items: list[Item], answer: Answer) -> Any:
        told = answer.json()
        errors = told.get("errors") if isinstance(told, dict) else None
        if not isinstance(errors, list) or not errors:
            return by_status(answer, len(items))
        first = errors[0].get("extensions") if isinstance(errors[0], dict) else None
        if isinstance(first, dict) and first.get("code") == "UNAUTHENTICATED":
            return Pause("credentials")
        return RetryLater("graphql_errors")
