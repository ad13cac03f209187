"""A plugin that passes every conformance check, with every hook that a check looks at. The bad ones derive from it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, ClassVar

from router.plugin import (
    JSON,
    Answer,
    Batch,
    Context,
    Delivered,
    Event,
    Field,
    Item,
    Outcome,
    Person,
    Reject,
    Request,
    RetryLater,
    SecretStr,
    Sender,
    Settings,
    Skip,
    Token,
    UserId,
    by_status,
    hookimpl,
    json_request,
    oauth_token,
    raise_for_status,
    url_fault,
)
from router.testing import Received, Reply

DELETE = "delete"


class GoodSettings(Settings):
    token: SecretStr = Field(description="The client secret.")
    base_url: str = Field(default="https://good.example.com", description="The URL of the API.")

    def model_post_init(self, context: Any, /) -> None:
        if fault := url_fault(self.base_url):
            raise ValueError(f"base_url: {fault}")


class Base:
    """Deletes nothing, and so uses the first version of the contract."""

    display_names: Sequence[str] = ("Good",)
    settings_model: Any = GoodSettings
    requires: Mapping[str, tuple[UserId, ...]] = {"track": (UserId(),)}
    kinds: Mapping[str, Batch] = {"": Batch(max_items=10), DELETE: Batch()}
    forget_by_hand = "delete the user there"
    forget_group_by_hand = "delete the group there"
    #: the check that catches it, and what else `conformance` is given
    caught_by: ClassVar[str] = ""
    options: ClassVar[dict[str, Any]] = {}
    #: settings beside the token
    given: ClassVar[dict[str, Any]] = {}
    #: the check that might take it for a bad one
    passes: ClassVar[str] = ""

    def __init__(self, settings: GoodSettings) -> None:
        self.settings = settings
        self.token = Token(self.ask)

    async def ask(self, sender: Sender) -> tuple[str, float | None]:
        url, secret = f"{self.settings.base_url}/token", self.settings.token.get_secret_value()
        return oauth_token(await sender.send(json_request(url, {"secret": secret}, private=True)))

    @hookimpl
    def state_key(self, event: Event) -> Any:
        return self.key(event) if event.type == "track" else None

    def key(self, event: Event) -> Any:
        return f"user:{event.user_id}"

    @hookimpl
    def identify(self, event: Event, context: Context) -> Any:
        if not event.user_id:
            raise Skip("no_user_id")
        return self.item(event, context)

    @hookimpl
    def track(self, event: Event, context: Context) -> Any:
        self.remember(event, context)
        context.wake(event.received_at + timedelta(minutes=30))
        return self.item(event, context)

    def remember(self, event: Event, context: Context) -> None:
        kept = context.state or {"events": 0}
        context.state = {"events": kept["events"] + 1}

    def item(self, event: Event, context: Context) -> Any:
        return Item(self.body(event))

    def body(self, event: Event) -> dict[str, Any]:
        fields = {**event.traits, **event.properties}
        return {"id": event.message_id, "user": event.user_id, "name": event.name, "fields": fields}

    @hookimpl
    def wake(self, key: str, at: datetime, context: Context) -> Any:
        return Item({"id": f"{key} {at.isoformat()}", "events": context.state["events"]})

    @hookimpl
    def request(self, items: list[Item]) -> Any:
        return self.build(items, "***")

    def build(self, items: list[Item], token: str) -> Request:
        headers = {"Authorization": f"Bearer {token}"}
        url = f"{self.settings.base_url}/{'deletions' if items[0].kind == DELETE else 'events'}"
        return json_request(url, [item.body for item in items], headers=headers)

    @hookimpl
    def verdict(self, items: list[Item], answer: Answer) -> Any:
        return self.read(items, answer)

    def read(self, items: list[Item], answer: Answer) -> Any:
        return by_status(answer, len(items))

    @hookimpl
    async def deliver(self, items: list[Item], sender: Sender) -> Any:
        return await self.send(items, sender)

    async def send(self, items: list[Item], sender: Sender) -> Outcome | Sequence[Outcome]:
        answer = await self.token.send(sender, lambda token: self.build(items, token))
        read: Outcome | Sequence[Outcome] = self.read(items, answer)
        return read

    @hookimpl
    async def check(self, sender: Sender) -> str:
        url = f"{self.settings.base_url}/me"
        answer = await self.token.send(
            sender, lambda token: Request(url, method="GET", headers={"Authorization": f"Bearer {token}"})
        )
        raise_for_status(answer)
        return "the API takes our key"

    @hookimpl
    async def lifetime(self) -> AsyncIterator[None]:
        yield


class Good(Base):
    """Deletes people and groups, too."""

    api_version: Any = (1, 1)

    @hookimpl
    def forget(self, person: Person) -> Any:
        ids = [id for id in (person.user_id, *person.anonymous_ids) if id is not None]
        return [Item({"user": id}, DELETE) for id in ids]

    @hookimpl
    def forget_group(self, group_id: str) -> Any:
        return Item({"group": group_id}, DELETE)


def result_of_each(seen: Received) -> Reply:
    """Of a vendor whose answers have a result for each item, with its id and its user."""
    if seen.url.endswith("/token"):
        return Reply(json={"access_token": "token-of-a-vendor", "expires_in": 60})
    if seen.method == "GET":
        return Reply()
    return Reply(
        207, json={"results": [{"ok": True, "id": one.get("id"), "user": one.get("user")} for one in seen.json()]}
    )


class ReadsResults(Good):
    """Reads the result of each item, by its id."""

    options: ClassVar[dict[str, Any]] = {"vendor": result_of_each}

    def read(self, items: list[Item], answer: Answer) -> Any:
        told = answer.json()
        results = told.get("results") if isinstance(told, dict) else None
        if not 200 <= answer.status < 300:
            return by_status(answer, len(items))
        if not isinstance(results, list):
            return RetryLater("unreadable_answer")
        return [self.outcome_of(result) for result in self.results_for(items, results)]

    def results_for(self, items: list[Item], results: list[JSON]) -> list[JSON]:
        """None for an item that has none."""
        if items[0].kind == DELETE:
            return results if len(results) == len(items) else [None for _ in items]
        with_id = [result for result in results if isinstance(result, dict) and isinstance(result.get("id"), str)]
        by_id = {result["id"]: result for result in with_id}
        return [by_id.get(item.body.get("id")) for item in items]

    def outcome_of(self, result: JSON) -> Outcome:
        match result:
            case {"ok": True}:
                return Delivered()
            case {"ok": False, **more}:
                return Reject("refused", str(more.get("error", "")))
        return RetryLater("unreadable_answer", str(result))
