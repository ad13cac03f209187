"""Sends whole bodies, and with each track how many its user had before: what the oracle compares with what it sent."""

from __future__ import annotations

from collections.abc import Mapping

from router.plugin import JSON, Batch, Context, Event, Group, Item, Request, Settings, UserId, hookimpl, json_request


class WitnessSettings(Settings):
    """`gated`: tracks wait for their group's id and name. `pack`: items in a request."""

    base_url: str
    gated: bool = False
    pack: int = 10


class Witness:
    """There is no hook for page calls: they are skipped."""

    settings_model = WitnessSettings

    def __init__(self, settings: WitnessSettings) -> None:
        self.settings = settings
        self.kinds: Mapping[str, Batch] = {"": Batch(max_items=settings.pack)}
        self.requires: Mapping[str, tuple[UserId | Group, ...]] = (
            {"track": (Group("id", "name"),)} if settings.gated else {}
        )

    @hookimpl
    def state_key(self, event: Event) -> str | None:
        """Tracks are counted by user."""
        return (event.user_id or event.anonymous_id) if event.type == "track" else None

    @hookimpl
    def track(self, event: Event, context: Context) -> Item:
        """With the group it goes out for, and its number among the tracks of its user."""
        context.state = (context.state or 0) + 1
        return _item(event, context, event.properties, context.state)

    @hookimpl
    def identify(self, event: Event, context: Context) -> Item:
        """All traits of the call."""
        return _item(event, context, event.traits)

    @hookimpl
    def group(self, event: Event, context: Context) -> Item:
        """All traits of the call."""
        return _item(event, context, event.traits)

    @hookimpl
    def request(self, items: list[Item]) -> Request:
        """The items as one JSON list."""
        return json_request(f"{self.settings.base_url}/witness", [item.body for item in items])


def _item(event: Event, context: Context, told: Mapping[str, JSON], count: int = 0) -> Item:
    group = context.group
    return Item(
        {
            "id": event.message_id,
            "type": event.type,
            "user": event.user_id,
            "told": dict(told),
            "group": group.id if group else None,
            "count": count,
        }
    )
