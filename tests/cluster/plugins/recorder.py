"""Sends each track and group call as what its vendor can check it by, to a path that names the node that sends."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

from router.plugin import (
    Answer,
    Batch,
    Context,
    Event,
    Group,
    Item,
    Outcome,
    Request,
    RetryLater,
    Settings,
    UserId,
    by_status,
    hookimpl,
    json_request,
)

AGAIN_S = 0.2
"""After so long what failed is tried again: a test is not to wait for longer and longer pauses."""


class RecorderSettings(Settings):
    """`gated`: tracks wait for their group's id and name. `counted`: the tracks of each user are counted in keyed state."""

    path: str
    gated: bool = False
    counted: bool = False
    items: int


class Recorder:
    """The vendor's address is of this node alone, so it is in the environment."""

    settings_model = RecorderSettings

    def __init__(self, settings: RecorderSettings) -> None:
        self.settings = settings
        self.kinds: Mapping[str, Batch] = {"": Batch(max_items=settings.items)}
        self.requires: Mapping[str, tuple[UserId | Group, ...]] = (
            {"track": (Group("id", "name"),)} if settings.gated else {}
        )
        self._url = f"{os.environ.get('VENDOR_URL', 'http://127.0.0.1:9')}/{settings.path}/{os.environ.get('NODE', '')}"

    @hookimpl
    def state_key(self, event: Event) -> str | None:
        """The user of a track, where they are counted."""
        return event.user_id if self.settings.counted and event.type == "track" else None

    @hookimpl
    def track(self, event: Event, context: Context) -> Item:
        """Numbered by a property, and by what keyed state has."""
        count = None
        if self.settings.counted:
            count = context.state = (context.state or 0) + 1
        return _item(event, context, event.properties.get("n"), count)

    @hookimpl
    def group(self, event: Event, context: Context) -> Item:
        """Numbered by a trait."""
        return _item(event, context, event.traits.get("n"), None)

    @hookimpl
    def request(self, items: list[Item]) -> Request:
        """The items as one JSON list."""
        return json_request(self._url, [item.body for item in items])

    @hookimpl
    def verdict(self, items: list[Item], answer: Answer) -> Outcome | Sequence[Outcome]:
        """A fault of the vendor's is over soon."""
        if answer.status >= 500:
            return RetryLater(f"status_{answer.status}", after_s=AGAIN_S)
        return by_status(answer, len(items))


def _item(event: Event, context: Context, number: object, count: object) -> Item:
    group = context.group
    return Item(
        {
            "id": event.message_id,
            "type": event.type,
            "user": event.user_id,
            "n": number,
            "count": count,
            "group": group.id if group else None,
            "group_name": group.traits.get("name") if group else None,
        }
    )
