"""Sends every identify, group and track call as its message id, its user and its number, up to ten in a request."""

from __future__ import annotations

from collections.abc import Mapping

from router.plugin import Batch, Context, Event, Group, Item, Request, Settings, UserId, hookimpl, json_request


class CollectorSettings(Settings):
    """`gated`: tracks wait for their group's id and name."""

    base_url: str
    gated: bool = False


class Collector:
    """An item is what the vendor is to see of an event."""

    settings_model = CollectorSettings
    kinds: Mapping[str, Batch] = {"": Batch(max_items=10)}

    def __init__(self, settings: CollectorSettings) -> None:
        self.settings = settings
        self.requires: Mapping[str, tuple[UserId | Group, ...]] = (
            {"track": (Group("id", "name"),)} if settings.gated else {}
        )

    @hookimpl
    def track(self, event: Event, context: Context) -> Item:
        """With the group it goes out for."""
        return _item(event, context, event.properties.get("n"))

    @hookimpl
    def identify(self, event: Event, context: Context) -> Item:
        """Numbered by a trait."""
        return _item(event, context, event.traits.get("n"))

    @hookimpl
    def group(self, event: Event, context: Context) -> Item:
        """Numbered by a trait."""
        return _item(event, context, event.traits.get("n"))

    @hookimpl
    def request(self, items: list[Item]) -> Request:
        """The items as one JSON list."""
        return json_request(f"{self.settings.base_url}/collect", [item.body for item in items])


def _item(event: Event, context: Context, number: object) -> Item:
    group = context.group
    return Item(
        {
            "id": event.message_id,
            "type": event.type,
            "user": event.user_id,
            "n": number,
            "group": group.id if group else None,
            "group_name": group.traits.get("name") if group else None,
        }
    )
