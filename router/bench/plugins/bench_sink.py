"""The destination of the benchmark: packs events into requests to the sink and says in headers what is inside."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from router.plugin import Batch, Context, Event, Group, Item, Request, Settings, hookimpl


class BenchSettings(Settings):
    """Settings of a benchmark destination."""

    url: str
    pack: int = 75
    gated: bool = False


class BenchSink:
    """Sends track and group calls, `pack` at a time; `gated`: a track call only once its group has a name."""

    display_names = ("BenchSink",)
    settings_model = BenchSettings

    def __init__(self, settings: BenchSettings) -> None:
        self.settings = settings
        self.kinds: Mapping[str, Batch] = {"": Batch(max_items=settings.pack)}
        self.requires: Mapping[str, tuple[Group, ...]] = {"track": (Group("id", "name"),)} if settings.gated else {}

    @hookimpl
    def track(self, event: Event, context: Context) -> Item:
        """Name and properties."""
        at = int(event.received_at.timestamp() * 1000)
        return Item(
            {
                "id": event.message_id,
                "user": event.user_id,
                "name": event.name,
                "at": at,
                "properties": event.properties,
            }
        )

    @hookimpl
    def group(self, event: Event, context: Context) -> Item:
        """Group and traits."""
        at = int(event.received_at.timestamp() * 1000)
        return Item(
            {"id": event.message_id, "user": event.user_id, "group": event.group_id, "at": at, "traits": event.traits}
        )

    @hookimpl
    def request(self, items: list[Item]) -> Request:
        """All items in one body."""
        bodies = [item.body for item in items]
        headers = {
            "Content-Type": "application/json",
            "X-Items": str(len(items)),
            "X-Received": f"{bodies[0]['at']} {bodies[-1]['at']}",
        }
        return Request(self.settings.url, headers=headers, body=msgspec.json.encode(bodies))
