"""Braze (formerly Appboy): identify to attributes, track to events, orders to purchases, all by `POST /users/track`.

Choices where the vendor's integrations differ: the traits `name` and `id` are kept, as custom attributes; null removes an
attribute, also under a renamed trait; page and screen calls are sent only when a setting says so.

Braze does not deduplicate: an answer that got lost on its way can count an event twice.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from plugins.braze import answers, mapping
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
    Reject,
    Request,
    RetryLater,
    SecretStr,
    Settings,
    Skip,
    by_status,
    hookimpl,
    json_request,
)

ORDER = "order"
"""Kind of an item with several purchases. Such items travel alone, so that counting items counts objects."""

RESERVED_PROPERTIES = frozenset({"time", "event_name"})
ORDER_NAME = re.compile(r"[ _]*(order[ _]*completed|completed[ _]*order)[ _]*", re.IGNORECASE)


class BrazeSettings(Settings):
    """Settings of a Braze destination."""

    api_key: SecretStr = Field(description="A REST API key with the permission users.track.")
    app_id: str = Field(default="", description="The app's identifier, put on events and purchases. Empty: left out.")
    base_url: str = Field(
        default="https://rest.iad-01.braze.com",
        pattern=r"^https?://",
        description="The REST endpoint of your Braze instance.",
    )
    update_existing_only: bool = Field(
        default=False, description="Never create a profile: calls of unknown users are ignored."
    )
    track_all_pages: bool = Field(default=False, description="Send every page and screen call as an event.")
    track_named_pages: bool = Field(default=False, description="Send page and screen calls that have a name as events.")
    max_objects: int = Field(
        default=75, ge=1, le=225, description="Attributes, events and purchases in one request, counted together."
    )


class Braze:
    """Maps to objects of /users/track. An item's body is a part of that request: `{"events": [...]}`."""

    display_names = ("Braze", "Appboy")
    settings_model = BrazeSettings

    def __init__(self, settings: BrazeSettings) -> None:
        self.settings = settings
        self.kinds: Mapping[str, Batch] = {
            "": Batch(max_items=settings.max_objects, max_bytes=4_000_000),
            ORDER: Batch(max_items=1, max_bytes=4_000_000),
        }

    @hookimpl
    def identify(self, event: Event, context: Context) -> list[Item]:
        """The traits of this call, as one attributes object."""
        user, fields = self._user(event), mapping.attributes(event.traits)
        return [Item({"attributes": [{**fields, **user}]})] if fields else []

    @hookimpl
    def group(self, event: Event, context: Context) -> Item:
        """An attribute of the user that says which group they are in."""
        user = self._user(event)
        if not event.group_id:
            raise Reject("invalid_group_id", "a group call needs a groupId")
        return Item({"attributes": [{**user, f"ab_segment_group_{event.group_id}": True}]})

    @hookimpl
    def track(self, event: Event, context: Context) -> Item | list[Item]:
        """A custom event; a completed order becomes purchases instead."""
        user = self._user(event)
        if not (event.name and event.name.strip()):
            raise Reject("invalid_event_name", "a track call needs an event")
        if ORDER_NAME.fullmatch(event.name):
            return self._order(user, event, context)
        return self._event(user, event, event.name, event.properties)

    @hookimpl
    def page(self, event: Event, context: Context) -> Item:
        """An event, when a setting asks for pages."""
        return self._view(event, "Page")

    @hookimpl
    def screen(self, event: Event, context: Context) -> Item:
        """An event, when a setting asks for pages."""
        return self._view(event, "Screen")

    def _user(self, event: Event) -> dict[str, JSON]:
        only = {"_update_existing_only": True} if self.settings.update_existing_only else {}
        return {**mapping.identifier(event), **only}

    def _app(self) -> dict[str, JSON]:
        return {"app_id": self.settings.app_id} if self.settings.app_id else {}

    def _event(self, user: Mapping[str, JSON], event: Event, name: str, properties: Mapping[str, JSON]) -> Item:
        sent = {key: value for key, value in properties.items() if key not in RESERVED_PROPERTIES}
        known = {**user, **self._app(), "name": name, "time": mapping.instant(event.timestamp)}
        return Item({"events": [{**known, "properties": sent} if sent else known]})

    def _view(self, event: Event, what: str) -> Item:
        category = event.category or mapping.text(event.properties.get("category"))
        name = event.name or mapping.text(event.properties.get("name"))
        if not (self.settings.track_all_pages or (self.settings.track_named_pages and name)):
            raise Skip("unsupported")
        title = " ".join(part for part in (category, name) if part)
        called = {key: part for key, part in (("category", category), ("name", name)) if part}
        shown = f"Viewed {title} {what}" if name else f"Loaded a {what}"
        return self._event(self._user(event), event, shown, {**event.properties, **called})

    def _order(self, user: Mapping[str, JSON], event: Event, context: Context) -> list[Item]:
        products = event.properties.get("products")
        products = products if isinstance(products, list) else []
        bought = [found for product in products if (found := mapping.purchase(product, event.properties)) is not None]
        if len(bought) < len(products):
            context.warn("products_dropped", products=len(products) - len(bought))
        shared = {**user, **self._app(), "time": mapping.instant(event.timestamp)}
        objects = [{**shared, **found} for found in bought]
        parts = [
            objects[at : at + self.settings.max_objects] for at in range(0, len(objects), self.settings.max_objects)
        ]
        return [Item({"purchases": part}, ORDER if len(part) > 1 else "") for part in parts]

    @hookimpl
    def request(self, items: list[Item]) -> Request:
        """All objects of the items in one body, each array in the order of the items."""
        body: dict[str, list[JSON]] = {}
        for item in items:
            for array, objects in item.body.items():
                body.setdefault(array, []).extend(objects)
        key = self.settings.api_key.get_secret_value()
        url = f"{self.settings.base_url.rstrip('/')}/users/track"
        return json_request(url, body, headers={"Authorization": f"Bearer {key}"})

    @hookimpl
    def verdict(self, items: list[Item], answer: Answer) -> Outcome | Sequence[Outcome]:
        """By status, and object by object where the answer names some."""
        outcome = by_status(answer, len(items))
        if answer.status == 429:
            return RetryLater("status_429", after_s=answers.wait_s(answer))
        if isinstance(outcome, Delivered):
            return answers.read_success(items, answer.json())
        if answer.status == 400 and len(items) > 1:
            refused = answers.read_errors(items, answer.json())
            return [refused.get(at, outcome) for at in range(len(items))]
        return outcome
