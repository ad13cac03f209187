"""The plugin of these tests."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, ClassVar

from router.plugin import (
    Context,
    Event,
    Group,
    Item,
    Reject,
    Request,
    SecretStr,
    Settings,
    Skip,
    hookimpl,
    json_request,
)


class GreeterSettings(Settings):
    token: SecretStr
    base_url: str = "https://greeter.example.com"


class Greeter:
    settings_model = GreeterSettings
    requires: ClassVar[Any] = {"track": (Group("id", "name"),)}

    def __init__(self, settings: GreeterSettings) -> None:
        self.settings = settings

    @hookimpl
    def state_key(self, event: Event) -> str | None:
        return event.user_id if event.type == "track" else None

    @hookimpl
    def group(self, event: Event) -> Item:
        raise Skip("remembered")

    @hookimpl
    def track(self, event: Event, context: Context) -> Item:
        if event.name == "Bad":
            raise Reject("bad", f"token {self.settings.token.get_secret_value()}")
        if event.name == "Broken":
            raise ZeroDivisionError
        assert context.group is not None
        context.state = (context.state or 0) + 1
        context.wake(event.received_at + timedelta(minutes=30))
        context.warn("greeted")
        return Item({"who": event.user_id, "did": event.name, "company": context.group.traits["name"]})

    @hookimpl
    def wake(self, key: str, context: Context) -> Item:
        return Item({"who": key, "events": context.state})

    @hookimpl
    def request(self, items: list[Item]) -> Request:
        headers = {"Authorization": f"Bearer {self.settings.token.get_secret_value()}"}
        return json_request(f"{self.settings.base_url}/events", items[0].body, headers=headers)
