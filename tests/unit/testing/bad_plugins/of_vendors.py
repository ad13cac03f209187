"""Bad plugins that make wrong of what a vendor answers, and the check that catches each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from router.plugin import (
    Answer,
    Field,
    Item,
    Outcome,
    Request,
    RetryLater,
    SecretStr,
    Sender,
    Token,
    by_status,
    json_request,
    raise_for_status,
)
from router.testing import Received, Reply
from tests.unit.testing.bad_plugins.also_good_of_vendors import ONE_BY_ONE, TOKEN
from tests.unit.testing.bad_plugins.good import DELETE, Good, GoodSettings
from tests.unit.testing.bad_plugins.of_preparing import KeepsTheFirstSecret, LooksUp


def says_ok(seen: Received) -> Reply:
    return TOKEN if seen.url.endswith("/token") else Reply(json={"ok": True})


class LooksAtTheStatusOnly(Good):
    """The vendor answers 200 with ok: false to what it refuses."""

    caught_by = "results_read"
    options: ClassVar[dict[str, Any]] = {"vendor": says_ok}


class TakesAPageForOk(Good):
    caught_by = "results_read"
    options: ClassVar[dict[str, Any]] = {"vendor": says_ok}

    def read(self, items: list[Item], answer: Answer) -> Any:
        told = answer.json()
        if isinstance(told, dict) and told.get("ok") is False:
            return RetryLater("not_ok", for_s=60)
        return by_status(answer, len(items))


def one_result(seen: Received) -> Reply:
    return TOKEN if seen.url.endswith("/token") else Reply(207, json={"results": [{"ok": True}]})


class IgnoresTheOneResult(Good):
    """It asks only that there is one."""

    caught_by = "results_read"
    kinds = ONE_BY_ONE
    options: ClassVar[dict[str, Any]] = {"vendor": one_result}

    def read(self, items: list[Item], answer: Answer) -> Any:
        is_read = answer.status >= 300 or isinstance(answer.json(), dict)
        return by_status(answer, len(items)) if is_read else RetryLater("unreadable_answer")


class LooksUpAtTheUrlOfTheItems(Good):
    """And looks at no status."""

    caught_by = "errors_not_delivered"
    kinds = ONE_BY_ONE

    async def send(self, items: list[Item], sender: Sender) -> Outcome | Sequence[Outcome]:
        token = await self.token.get(sender)
        url, headers = self.build(items, token).url, {"Authorization": f"Bearer {token}"}
        await sender.send(json_request(url, {"query": "{ account { id } }"}, headers=headers))
        return await super().send(items, sender)


class BelievesWhatIsFoundForDeletions(LooksUp):
    """The same look-up is read well before other items."""

    caught_by = "errors_not_delivered"

    async def send(self, items: list[Item], sender: Sender) -> Outcome | Sequence[Outcome]:
        def account(token: str) -> Request:
            return Request(f"{self.settings.base_url}/account", "GET", {"Authorization": f"Bearer {token}"})

        answer = await self.token.send(sender, account)
        if items[0].kind != DELETE:
            raise_for_status(answer)
        return await Good.send(self, items, sender)


class UploadsForEver(Good):
    """A file that is too large is uploaded again and again."""

    caught_by = "too_large"
    kinds = ONE_BY_ONE

    async def send(self, items: list[Item], sender: Sender) -> Outcome | Sequence[Outcome]:
        built = self.build(items, await self.token.get(sender))
        uploaded = await sender.send(Request(f"{built.url}/upload", "PUT", built.headers, built.body))
        if uploaded.status == 413:
            raise RetryLater("too_large")
        raise_for_status(uploaded)
        return by_status(await sender.send(Request(f"{built.url}/commit", headers=built.headers)), len(items))


class OptionalSettings(GoodSettings):
    token: SecretStr | None = Field(default=None, description="The client secret.")  # type: ignore[assignment]


class KeepsTheFirstSecretOfSome(KeepsTheFirstSecret):
    """A secret that need not be there."""

    caught_by = "instances_apart"
    settings_model = OptionalSettings


class SharesItsTokenByAddress(Good):
    """Two accounts at one vendor have one address."""

    caught_by = "instances_apart"
    given: ClassVar[dict[str, Any]] = {"base_url": "https://good.example.com"}
    tokens: ClassVar[dict[str, Token]] = {}

    def __init__(self, settings: GoodSettings) -> None:
        super().__init__(settings)
        self.token = self.tokens.setdefault(settings.base_url, self.token)


def in_an_index(seen: Received) -> Reply:
    if seen.url.endswith("/token"):
        return TOKEN
    return Reply(json={"items": [{"index": {"id": one.get("id"), "status": 201}} for one in seen.json()]})


class ReadsNoInnerStatus(Good):
    caught_by = "results_by_item"
    options: ClassVar[dict[str, Any]] = {"vendor": in_an_index}
