"""Bad plugins: outcomes and answers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, ClassVar

from router.plugin import (
    JSON,
    Answer,
    Delivered,
    Item,
    Outcome,
    Reject,
    Request,
    RetryLater,
    Sender,
    raise_for_status,
)
from router.testing import Received, Reply, Scene
from tests.unit.testing.bad_plugins.good import Good

Statuses = Mapping[int, Callable[[int], Outcome | Sequence[Outcome]]]


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


class TakesRetryAfterForANumber(Good):
    """It may be a date."""

    caught_by = "any_answer"

    def read(self, items: list[Item], answer: Answer) -> Any:
        if answer.status == 503:
            return RetryLater("busy", after_s=int(answer.headers.get("retry-after", "1")))
        return super().read(items, answer)


class TakesItsListForAList(Good):
    caught_by = "any_answer"

    def read(self, items: list[Item], answer: Answer) -> Any:
        told = answer.json()
        results = told.get("results") if isinstance(told, dict) else None
        if results and len(results) > 1000:
            return RetryLater("too_many_results")
        return super().read(items, answer)


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


class RetriesWhatIsForbiddenForAYear(Reads):
    caught_by = "forbidden"
    statuses: ClassVar[Statuses] = {403: lambda n: RetryLater("forbidden", for_s=365 * 86_400)}


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


class HasATimeoutOfItsOwn(Good):
    """Shorter than that of the router. What it then says is not what the Sender says."""

    caught_by = "lost_connection"
    in_the_end: ClassVar[Outcome] = Reject("timeout")

    async def send(self, items: list[Item], sender: Sender) -> Outcome | Sequence[Outcome]:
        try:
            async with asyncio.timeout(3):
                return await super().send(items, sender)
        except TimeoutError:
            return self.in_the_end


class TakesItsOwnTimeoutForASuccess(HasATimeoutOfItsOwn):
    caught_by = "errors_not_delivered"
    in_the_end: ClassVar[Outcome] = Delivered()


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


class TriesElsewhere(Good):
    """A second host, when the first one has trouble."""

    caught_by = "own_retries"

    async def send(self, items: list[Item], sender: Sender) -> Outcome | Sequence[Outcome]:
        told = await super().send(items, sender)
        if not isinstance(told, RetryLater):
            return told
        built = self.build(items, await self.token.get(sender))
        spare = Request("https://spare.example.com/events", headers=built.headers, body=built.body)
        again: Outcome | Sequence[Outcome] = self.read(items, await sender.send(spare))
        return again


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
