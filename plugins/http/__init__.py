"""HTTP: any API with JSON or forms, described in config.toml alone. Paths, headers and bodies are templates per call type.

A template is compiled when the settings are loaded. An item is a request without what the settings add to all of them: the
URL, secrets and the token. So an item that is stored has no secret in it, and a new key or address applies to what waits.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from plugins.http.plan import Call, read_calls
from plugins.http.sending import ask_token, build
from plugins.http.settings import HttpSettings
from plugins.http.verdict import read_answer
from router.plugin import (
    Answer,
    Batch,
    Context,
    Event,
    Group,
    Item,
    Outcome,
    Request,
    Sender,
    Skip,
    Token,
    UserId,
    hookimpl,
)

__all__ = ["Http", "HttpSettings"]


class Http:
    """Sends the call types that its settings have a table for."""

    api_version = (1, 1)
    display_names = ("HTTP",)
    forget_by_hand = "its settings describe no request for that: delete the user where the events are sent to"
    forget_group_by_hand = "its settings describe no request for that: delete the group where the events are sent to"
    settings_model = HttpSettings

    def __init__(self, settings: HttpSettings) -> None:
        self.settings = settings
        self._calls: Mapping[str, Call] = read_calls(settings)[0]
        limits = Batch(max_items=settings.max_items, max_bytes=settings.max_bytes)
        self.kinds: Mapping[str, Batch] = {call.kind: limits for call in self._calls.values()}
        self.requires: Mapping[str, tuple[UserId | Group, ...]] = {
            type: call.requires for type, call in self._calls.items() if call.requires
        }
        self._token = Token(self._ask)

    @hookimpl
    def identify(self, event: Event, context: Context) -> Item | list[Item]:
        """By the table of the type. Without one, traits are still there for the other calls, so they are remembered."""
        call = self._calls.get(event.type)
        if call is None:
            raise Skip("remembered" if event.type in ("identify", "group") else "unsupported")
        item = call.item(event, context)
        return [] if item is None else item

    group = track = page = screen = alias = identify

    @hookimpl
    def request(self, items: list[Item]) -> Request:
        """The stored items with what the settings add."""
        return build(items, self.settings)

    @hookimpl
    def verdict(self, items: list[Item], answer: Answer) -> Outcome | Sequence[Outcome]:
        """By the settings: see `verdict.py`."""
        return read_answer(items, answer, self.settings.answers)

    @hookimpl
    async def deliver(self, items: list[Item], sender: Sender) -> Outcome | Sequence[Outcome]:
        """With a token, if the settings say where to get one. After a 401 there is another attempt with a new one."""
        if self.settings.token is None:
            answer = await sender.send(build(items, self.settings))
        else:
            answer = await self._token.send(sender, lambda token: build(items, self.settings, token))
        return self.verdict(items, answer)

    async def _ask(self, sender: Sender) -> tuple[str, float | None]:
        assert self.settings.token is not None
        return await ask_token(self.settings.token, sender)
