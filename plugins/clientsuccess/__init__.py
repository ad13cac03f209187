"""ClientSuccess: one usage event for each track and page call, as soon as the company of its user is known.

The collector has no identify and no group call: the user and their company travel inside every event. So identify and group
are `remembered` (the router's directory keeps the traits) and the next event carries them. Without a company id and name the
vendor would drop the event; the router holds it until both are known.

There is no idempotency key: an answer that got lost on its way can count an event twice.
"""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import quote

from plugins.clientsuccess import mapping, quota
from plugins.clientsuccess.quota import Quota
from plugins.clientsuccess.settings import ClientSuccessSettings
from plugins.clientsuccess.verdict import read_answer
from router.plugin import (
    Answer,
    Batch,
    Context,
    Event,
    Group,
    Item,
    Outcome,
    Reject,
    Request,
    Skip,
    UserId,
    as_text,
    hookimpl,
    iso_instant,
    json_request,
)

__all__ = ["ClientSuccess", "ClientSuccessSettings"]

MAX_IN_FLIGHT = 10
"""Requests at a time, also if `concurrency` allows more. The vendor names no limit of its own."""


class ClientSuccess:
    """Maps track and page to usage events; remembers identify and group."""

    api_version = (1, 1)
    display_names = ("ClientSuccess",)
    forget_by_hand = "its usage API has no such call: delete the contact there, and ask its support for the usage data"
    forget_group_by_hand = "its usage API has no such call: delete the client there"
    shown_after = "up to 24 hours later"
    settings_model = ClientSuccessSettings
    kinds: Mapping[str, Batch] = {"": Batch(concurrency=MAX_IN_FLIGHT)}
    requires: Mapping[str, tuple[UserId | Group, ...]] = {
        "identify": (UserId(),),
        "track": (UserId(), Group("id", "name")),
        "page": (UserId(), Group("id", "name")),
    }

    def __init__(self, settings: ClientSuccessSettings) -> None:
        self.settings = settings
        self._quota = Quota()

    @hookimpl
    def state_key(self, event: Event) -> str | None:
        """Where this event is counted towards the account's quota."""
        return quota.state_key(event) if event.type in ("track", "page") else None

    @hookimpl
    def identify(self, event: Event, context: Context) -> Item:
        """Nothing to send: the next event carries the traits."""
        mapping.user_id(event)
        raise Skip("remembered")

    @hookimpl
    def group(self, event: Event, context: Context) -> Item:
        """Nothing to send: the next event carries the company."""
        if not event.group_id or len(event.group_id) > mapping.MAX_ID:
            raise Reject("invalid_group_id", f"a group id has 1 to {mapping.MAX_ID} characters")
        if event.user_id is not None:
            mapping.user_id(event)
        if context.group is None or as_text(context.group.traits.get("name")) is None:
            context.warn("group_name_unknown")
        raise Skip("remembered")

    @hookimpl
    def track(self, event: Event, context: Context) -> Item:
        """One usage event under the call's own name."""
        return self._item(event, context, mapping.event_name(event.name), mapping.value(event.properties))

    @hookimpl
    def page(self, event: Event, context: Context) -> Item:
        """One usage event, named after the page or by the setting `page_event`."""
        return self._item(event, context, mapping.event_name(self.settings.page_event or mapping.page_name(event)), 1)

    def _item(self, event: Event, context: Context, name: str, amount: int | float) -> Item:
        identity = {
            "organization": mapping.organization(event, context),
            "user": mapping.user(event, context, self.settings.send_custom_traits),
        }
        self._quota.count(name, event, context)
        usage = {"identity": identity, "value": amount, "timestamp": iso_instant(event.timestamp)}
        return Item({"event": name, "usage": usage})

    @hookimpl
    def request(self, items: list[Item]) -> Request:
        """One event: its name is a segment of the path, the keys are in the URL."""
        settings = self.settings
        project, name = segment(settings.project_id), segment(items[0].body["event"])
        base, key = settings.base_url.rstrip("/"), segment(settings.api_key.get_secret_value())
        url = f"{base}/collector/1.0.0/projects/{project}/events/{name}?api_key={key}"
        return json_request(url, items[0].body["usage"])

    @hookimpl
    def verdict(self, items: list[Item], answer: Answer) -> Outcome:
        """By status; a success that says `"created": false` is none: see `verdict.py`."""
        return read_answer(answer, len(items))


def segment(part: str) -> str:
    """One path segment or query value: only letters, digits and `-._~` stay as they are."""
    return quote(part, safe="")
