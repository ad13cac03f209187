"""Makes an item of nearly a megabyte of each track: as much as the items of one event may have."""

from __future__ import annotations

from collections.abc import Mapping

from router.plugin import Batch, Event, Item, Request, Settings, hookimpl, json_request

NEARLY_A_MEGABYTE = 1_000_000


class BulkySettings(Settings):
    """Where to, and who it is there."""

    base_url: str
    name: str = ""


class Bulky:
    """Up to two items in a request."""

    settings_model = BulkySettings
    kinds: Mapping[str, Batch] = {"": Batch(max_items=2, max_bytes=3 * NEARLY_A_MEGABYTE)}

    def __init__(self, settings: BulkySettings) -> None:
        self.settings = settings

    @hookimpl
    def track(self, event: Event) -> Item:
        """Its id, and much more."""
        return Item({"id": event.message_id, "text": "x" * NEARLY_A_MEGABYTE})

    @hookimpl
    def request(self, items: list[Item]) -> Request:
        """The items as one JSON list."""
        return json_request(f"{self.settings.base_url}/{self.settings.name}", [item.body for item in items])
