"""Bad plugins: requests, answers and deliveries."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import socket
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, ClassVar

from router.plugin import (
    JSON,
    Answer,
    Delivered,
    Event,
    Item,
    Outcome,
    Reject,
    Request,
    RetryLater,
    Sender,
    Token,
    hookimpl,
    json_request,
    raise_for_status,
)
from router.testing import Received, Reply, Scene
from tests.unit.testing.bad_plugins.good import Good, GoodSettings

Statuses = Mapping[int, Callable[[int], Outcome | Sequence[Outcome]]]


class DoesNotQuote(Good):
    caught_by = "request_builds"

    def build(self, items: list[Item], token: str) -> Request:
        return json_request(
            f"{super().build(items, token).url}/{items[0].body.get('user')}", [item.body for item in items]
        )


class HasNoScheme(Good):
    caught_by = "request_url"

    def build(self, items: list[Item], token: str) -> Request:
        return json_request(super().build(items, token).url.removeprefix("https://"), [item.body for item in items])


class NumbersRequests(Good):
    caught_by = "request_repeats"
    number = 0

    def build(self, items: list[Item], token: str) -> Request:
        self.number += 1
        return json_request(super().build(items, token).url, [self.number, *(item.body for item in items)])


class LooksForATemplate(Good):
    caught_by = "request_pure"

    @hookimpl
    def request(self, items: list[Item]) -> Any:
        os.listdir(os.curdir)
        return super().request(items)


class MarksItems(Good):
    caught_by = "request_leaves_items"

    @hookimpl
    def request(self, items: list[Item]) -> Any:
        items[0].body["sent"] = True
        return super().request(items)


class SendsTheFirst(Good):
    caught_by = "batch_is_whole"

    def build(self, items: list[Item], token: str) -> Request:
        return super().build(items[:1], token)


class LosesAllAfterTheSecond(Good):
    caught_by = "batch_is_whole"

    def build(self, items: list[Item], token: str) -> Request:
        return super().build(items[:2], token)


class KeysByTheFirstItem(Good):
    caught_by = "idempotency_keys"

    def build(self, items: list[Item], token: str) -> Request:
        built = super().build(items, token)
        key = hashlib.sha256(items[0].json).hexdigest()
        return Request(built.url, headers={**built.headers, "Idempotency-Key": key}, body=built.body)


class KeysByWhatWasDone(Good):
    """Somebody who does the same thing twice has done it once."""

    caught_by = "idempotency_keys"

    def body(self, event: Event) -> dict[str, Any]:
        return {name: value for name, value in super().body(event).items() if name != "id"}

    def build(self, items: list[Item], token: str) -> Request:
        built = super().build(items, token)
        key = hashlib.sha256(built.body).hexdigest()
        return Request(built.url, headers={**built.headers, "Idempotency-Key": key}, body=built.body)


class Sorts(Good):
    caught_by = "batch_keeps_order"

    def build(self, items: list[Item], token: str) -> Request:
        return super().build(sorted(items, key=lambda item: item.json), token)


class Pads(Good):
    caught_by = "request_size"

    def build(self, items: list[Item], token: str) -> Request:
        return json_request(super().build(items, token).url, [*(item.body for item in items), "x" * 500_000])


class SaysNoType(Good):
    caught_by = "content_type"

    def build(self, items: list[Item], token: str) -> Request:
        built = super().build(items, token)
        return Request(built.url, body=built.body)


class EncodesSlowly(Good):
    caught_by = "request_fast"

    @hookimpl
    def request(self, items: list[Item]) -> Any:
        if len(items) > 5 and any(len(item.json) > 30_000 for item in items):
            sum(range(25_000_000))
        return super().request(items)


# ---------------------------------------------------------------- answers


class Reads(Good):
    """Answers with these statuses have an outcome of its own."""

    statuses: ClassVar[Statuses] = {}

    def read(self, items: list[Item], answer: Answer) -> Any:
        special = self.statuses.get(answer.status)
        return super().read(items, answer) if special is None else special(len(items))


class IsNeverSure(Reads):
    caught_by = "success"
    options: ClassVar[dict[str, Any]] = {
        "vendor": Reply(200, json={"access_token": "token-of-a-vendor", "expires_in": 60})
    }
    statuses: ClassVar[Statuses] = {200: lambda n: RetryLater("unsure")}


class TrustsAnswers(Good):
    caught_by = "any_answer"

    def read(self, items: list[Item], answer: Answer) -> Any:
        return RetryLater("busy", answer.json()["error"]) if answer.status == 502 else super().read(items, answer)


class CountsWrongly(Reads):
    caught_by = "outcome_count"
    statuses: ClassVar[Statuses] = {207: lambda n: [Delivered()] * (n + 1)}


class GivesDetailsThatAreNoText(Reads):
    caught_by = "outcomes_well_formed"
    statuses: ClassVar[Statuses] = {422: lambda n: Reject("rejected", {"status": 422})}  # type: ignore[arg-type]


class TakesARefusalForASuccess(Reads):
    caught_by = "errors_not_delivered"
    statuses: ClassVar[Statuses] = {404: lambda n: Delivered()}


def with_results(seen: Received) -> Reply:
    """Of a vendor whose answers have a result for each item."""
    if seen.url.endswith("/token"):
        return Reply(json={"access_token": "token-of-a-vendor", "expires_in": 60})
    return Reply(207, json={"results": [{"ok": True}]})


class ReadsNoResults(Good):
    caught_by = "results_read"
    options: ClassVar[dict[str, Any]] = {"vendor": with_results}


class RejectsForAKey(Reads):
    caught_by = "unauthorized"
    statuses: ClassVar[Statuses] = {401: lambda n: Reject("credentials")}


class RetriesWhatIsForbidden(Reads):
    caught_by = "forbidden"
    statuses: ClassVar[Statuses] = {403: lambda n: RetryLater("forbidden")}


class RejectsWhenTheVendorIsBusy(Reads):
    caught_by = "rate_limited"
    statuses: ClassVar[Statuses] = {429: lambda n: Reject("busy")}


class AsksTooEarly(Reads):
    caught_by = "retry_after"
    statuses: ClassVar[Statuses] = {429: lambda n: RetryLater("busy")}


class RejectsWhenTheVendorHasTrouble(Reads):
    caught_by = "server_error"
    statuses: ClassVar[Statuses] = {503: lambda n: Reject("down")}


class RejectsWhenTheNetworkFails(Good):
    caught_by = "lost_connection"

    async def send(self, items: list[Item], sender: Sender) -> Outcome | Sequence[Outcome]:
        try:
            return await super().send(items, sender)
        except RetryLater as later:
            if later.reason not in ("connection", "timeout"):
                raise
            return Reject("lost")


class RejectsWhatCameTooEarly(Reads):
    caught_by = "server_error"
    statuses: ClassVar[Statuses] = dict.fromkeys((408, 425), lambda n: Reject("too_early"))


class RejectsWhenAProxyHasTrouble(Reads):
    caught_by = "server_error"
    statuses: ClassVar[Statuses] = dict.fromkeys((520, 529), lambda n: Reject("overloaded"))


class TakesAnUnpaidBillForASuccess(Reads):
    caught_by = "errors_not_delivered"
    statuses: ClassVar[Statuses] = {402: lambda n: Delivered()}


class RejectsRedirects(Reads):
    caught_by = "redirect"
    statuses: ClassVar[Statuses] = {302: lambda n: Reject("moved")}


class RetriesWhatIsTooLarge(Reads):
    caught_by = "too_large"
    statuses: ClassVar[Statuses] = {413: lambda n: RetryLater("too_large", for_s=60)}


class RetriesWhatIsRefused(Reads):
    caught_by = "refused"
    statuses: ClassVar[Statuses] = dict.fromkeys((400, 422), lambda n: RetryLater("refused"))


class RejectsWholeBatches(Reads):
    caught_by = "batch_refused"
    statuses: ClassVar[Statuses] = dict.fromkeys((400, 422), lambda n: Reject("refused"))


def gives_tokens_at_one_place(seen: Received) -> Reply:
    is_for_token = seen.url.endswith("/token")
    return Reply(json={"access_token": "token-of-the-tests", "expires_in": 3600} if is_for_token else {})


class AsksFirstForTheBatchAsForOne(Good):
    """A 400 for what it looks up is taken for the fault of all items."""

    caught_by = "batch_refused"
    options: ClassVar[dict[str, Any]] = {"vendor": gives_tokens_at_one_place}

    async def send(self, items: list[Item], sender: Sender) -> Outcome | Sequence[Outcome]:
        def company(token: str) -> Request:
            headers = {"Authorization": f"Bearer {token}"}
            return Request(f"{self.settings.base_url}/companies/acme", method="GET", headers=headers)

        raise_for_status(await self.token.send(sender, company))
        return await super().send(items, sender)


class TriesAgainAtOnce(Good):
    caught_by = "own_retries"

    async def send(self, items: list[Item], sender: Sender) -> Outcome | Sequence[Outcome]:
        for _ in range(9):
            told = await super().send(items, sender)
            if not isinstance(told, RetryLater):
                break
            await asyncio.sleep(1)
        return told


class SendsTwice(Good):
    caught_by = "own_retries"

    async def send(self, items: list[Item], sender: Sender) -> Outcome | Sequence[Outcome]:
        await super().send(items, sender)
        return await super().send(items, sender)


class TriesOnceMore(Good):
    caught_by = "own_retries"

    async def send(self, items: list[Item], sender: Sender) -> Outcome | Sequence[Outcome]:
        told = await super().send(items, sender)
        return await super().send(items, sender) if isinstance(told, RetryLater) else told


class FullDisk(Scene):
    """The disk of a plugin that writes a copy."""

    troubles: Mapping[str, type[Outcome]] = {"the disk is full": RetryLater}
    is_full = False

    @asynccontextmanager
    async def trouble(self, name: str, settings: Mapping[str, JSON]) -> AsyncIterator[None]:
        type(self).is_full = True
        yield
        type(self).is_full = False


class RejectsWhenTheDiskIsFull(Good):
    caught_by = "own_troubles"
    options: ClassVar[dict[str, Any]] = {"scene": FullDisk()}

    async def send(self, items: list[Item], sender: Sender) -> Outcome | Sequence[Outcome]:
        return Reject("disk") if FullDisk.is_full else await super().send(items, sender)


# ---------------------------------------------------------------- deliveries


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
