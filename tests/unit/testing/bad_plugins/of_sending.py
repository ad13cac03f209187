"""Bad plugins: deliveries, and the hook `check`."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time
import uuid
from collections.abc import Mapping, Sequence

from router.plugin import (
    Answer,
    Batch,
    Item,
    Outcome,
    Request,
    RetryLater,
    Sender,
    Token,
    hookimpl,
    json_request,
    raise_for_status,
)
from tests.unit.testing.bad_plugins.good import DELETE, Good, GoodSettings


class EmptiesItsList(Good):
    caught_by = "items_unchanged"

    async def send(self, items: list[Item], sender: Sender) -> Outcome | Sequence[Outcome]:
        told = await super().send(items, sender)
        items.clear()
        return told


class SwallowsCancellation(Good):
    caught_by = "cancellable"

    async def send(self, items: list[Item], sender: Sender) -> Outcome | Sequence[Outcome]:
        try:
            return await super().send(items, sender)
        except asyncio.CancelledError:
            return RetryLater("stopped")


class SwallowsCancellationOfItsItems(Good):
    caught_by = "cancellable"

    async def send(self, items: list[Item], sender: Sender) -> Outcome | Sequence[Outcome]:
        token = await self.token.get(sender)
        try:
            answer = await sender.send(self.build(items, token))
        except asyncio.CancelledError:
            return RetryLater("stopped")
        if answer.status == 401:
            self.token = Token(self.ask)
        told: Outcome | Sequence[Outcome] = self.read(items, answer)
        return told


class ShieldsItsRequest(Good):
    """Cancelled, it ends. Its request does not."""

    caught_by = "cancellable"

    async def send(self, items: list[Item], sender: Sender) -> Outcome | Sequence[Outcome]:
        sent = self.token.send(sender, lambda token: self.build(items, token))
        told: Outcome | Sequence[Outcome] = self.read(items, await asyncio.shield(sent))
        return told


class SharesATask(Good):
    caught_by = "cancel_spares_others"

    def __init__(self, settings: GoodSettings) -> None:
        super().__init__(settings)
        self.asking: asyncio.Task[tuple[str, float | None]] | None = None

    async def send(self, items: list[Item], sender: Sender) -> Outcome | Sequence[Outcome]:
        if self.asking is None:
            self.asking = asyncio.create_task(self.ask(sender))
        try:
            token, _ = await self.asking
        finally:
            self.asking = None
        sender.secret(token)
        told: Outcome | Sequence[Outcome] = self.read(items, await sender.send(self.build(items, token)))
        return told


class KeepsItsItems(Good):
    caught_by = "two_at_once"

    async def send(self, items: list[Item], sender: Sender) -> Outcome | Sequence[Outcome]:
        self.latest = items
        answer = await self.token.send(sender, lambda token: self.build(self.latest, token))
        told: Outcome | Sequence[Outcome] = self.read(items, answer)
        return told


class SendsItsPartsAtOnce(Good):
    """A user and what they did."""

    caught_by = "requests_in_order"
    kinds: Mapping[str, Batch] = {"": Batch(), DELETE: Batch()}

    async def send(self, items: list[Item], sender: Sender) -> Outcome | Sequence[Outcome]:
        parts = [[Item({"person": items[0].body.get("user")})], items]
        answers = await asyncio.gather(*(self.send_part(part, sender) for part in parts))
        told: Outcome | Sequence[Outcome] = self.read(items, max(answers, key=lambda answer: answer.status))
        return told

    async def send_part(self, items: list[Item], sender: Sender) -> Answer:
        return await self.token.send(sender, lambda token: self.build(items, token))


class SendsItsPartsInTasks(SendsItsPartsAtOnce):
    caught_by = "requests_in_order"

    async def send(self, items: list[Item], sender: Sender) -> Outcome | Sequence[Outcome]:
        async with asyncio.TaskGroup() as group:
            first = group.create_task(self.send_part([Item({"person": items[0].body.get("user")})], sender))
            second = group.create_task(self.send_part(items, sender))
        answer = max(first.result(), second.result(), key=lambda answer: answer.status)
        told: Outcome | Sequence[Outcome] = self.read(items, answer)
        return told


class Blocks(Good):
    caught_by = "sending_never_blocks"

    async def send(self, items: list[Item], sender: Sender) -> Outcome | Sequence[Outcome]:
        time.sleep(10)  # noqa: ASYNC251  # what it must not do
        return await super().send(items, sender)


class NumbersAttempts(Good):
    caught_by = "attempts_repeat"
    number = 0

    async def send(self, items: list[Item], sender: Sender) -> Outcome | Sequence[Outcome]:
        self.number += 1
        numbered = [*items, Item({"attempt": self.number})]
        answer = await self.token.send(sender, lambda token: self.build(numbered, token))
        told: Outcome | Sequence[Outcome] = self.read(items, answer)
        return told


class KeysEachAttempt(Good):
    caught_by = "attempts_repeat"

    async def send(self, items: list[Item], sender: Sender) -> Outcome | Sequence[Outcome]:
        def keyed(token: str) -> Request:
            built = self.build(items, token)
            return Request(built.url, headers={**built.headers, "Idempotency-Key": str(uuid.uuid4())}, body=built.body)

        told: Outcome | Sequence[Outcome] = self.read(items, await self.token.send(sender, keyed))
        return told


class SaysWhenItSends(Good):
    """To the second: two attempts of a test are of the same."""

    caught_by = "attempts_repeat"

    async def send(self, items: list[Item], sender: Sender) -> Outcome | Sequence[Outcome]:
        def dated(token: str) -> Request:
            built, now = self.build(items, token), int(time.time())
            return json_request(built.url, [now, *(item.body for item in items)], headers=built.headers)

        told: Outcome | Sequence[Outcome] = self.read(items, await self.token.send(sender, dated))
        return told


class KeepsItsSender(Good):
    caught_by = "only_by_sender"
    first: Sender | None = None

    async def send(self, items: list[Item], sender: Sender) -> Outcome | Sequence[Outcome]:
        self.first = self.first or sender
        return await super().send(items, self.first)


class ReportsToOthers(Good):
    caught_by = "only_by_sender"

    async def send(self, items: list[Item], sender: Sender) -> Outcome | Sequence[Outcome]:
        with contextlib.suppress(OSError):
            socket.create_connection(("192.0.2.1", 80), timeout=1).close()
        return await super().send(items, sender)


class IsEasilyPleased(Good):
    caught_by = "check_reports"

    @hookimpl
    async def check(self, sender: Sender) -> str:
        await sender.send(Request(f"{self.settings.base_url}/me", method="GET"))
        return "all is well"


class ChecksWithoutTheKey(Good):
    caught_by = "check_uses_secrets"

    @hookimpl
    async def check(self, sender: Sender) -> str:
        raise_for_status(await sender.send(Request(f"{self.settings.base_url}/health", method="GET")))
        return "the API takes our key"
