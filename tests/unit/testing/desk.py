"""A plugin that has something of everything, for the tests of the bench."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, ClassVar

from router.plugin import (
    Answer,
    Batch,
    Context,
    Delivered,
    Event,
    Group,
    Item,
    Outcome,
    Person,
    Reject,
    Request,
    SecretStr,
    Sender,
    Settings,
    Token,
    by_status,
    hookimpl,
    json_request,
    oauth_token,
)
from router.testing import Bench


class DeskSettings(Settings):
    token: SecretStr
    base_url: str = "https://desk.example.com"


class Desk:
    """Gated, in batches, with a visit per user that a timer ends, and results item by item."""

    settings_model = DeskSettings
    requires: ClassVar[Any] = {"track": (Group("id", "name"),)}
    kinds: ClassVar[Any] = {"": Batch(max_items=3)}

    def __init__(self, settings: DeskSettings) -> None:
        self.settings = settings

    @hookimpl
    def state_key(self, event: Event) -> str | None:
        return event.user_id if event.type == "track" else None

    @hookimpl
    def group(self, event: Event) -> list[Item]:
        return []

    @hookimpl
    def track(self, event: Event, context: Context) -> Item:
        assert context.group is not None
        context.state = {"events": (context.state or {"events": 0})["events"] + 1}
        context.wake(event.received_at + timedelta(minutes=30))
        if event.name == "Odd":
            context.warn("odd")
        return Item({"who": event.user_id, "did": event.name, "company": context.group.traits["name"]})

    @hookimpl
    def wake(self, key: str, at: datetime, context: Context) -> Item:
        events, context.state = context.state["events"], None
        return Item({"who": key, "did": "Visit ended", "events": events})

    @hookimpl
    def request(self, items: list[Item]) -> Request:
        headers = {"Authorization": f"Bearer {self.settings.token.get_secret_value()}"}
        return json_request(f"{self.settings.base_url}/events", [item.body for item in items], headers=headers)

    @hookimpl
    def verdict(self, items: list[Item], answer: Answer) -> Outcome | Sequence[Outcome]:
        if answer.status != 207:
            return by_status(answer, len(items))
        return [Delivered() if one["ok"] else Reject("rejected", "no") for one in answer.json()["results"]]


class Eraser(Desk):
    """Deletes people and groups, too."""

    @hookimpl
    def forget(self, person: Person) -> Item:
        return Item({"forget": person.user_id, "browsers": list(person.anonymous_ids)})

    @hookimpl
    def forget_group(self, group_id: str) -> Item:
        return Item({"forget": group_id})


class Teller(Desk):
    """Two requests per attempt: a token, then the items."""

    def __init__(self, settings: DeskSettings) -> None:
        super().__init__(settings)
        self.held = Token(self._ask)

    async def _ask(self, sender: Sender) -> tuple[str, float | None]:
        url = f"{self.settings.base_url}/token"
        return oauth_token(await sender.send(Request(url, private=True)))

    @hookimpl
    async def deliver(self, items: list[Item], sender: Sender) -> Outcome:
        body = [item.body for item in items]
        url = f"{self.settings.base_url}/events"
        answer = await self.held.send(sender, lambda token: json_request(url, body, headers={"X-Token": token}))
        return by_status(answer, len(items))


def did(bench: Bench) -> list[list[str]]:
    """What each request says that was done."""
    return [[one["did"] for one in seen.json()] for seen in bench.requests]
