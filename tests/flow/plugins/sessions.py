"""Counts the tracks of a session, and sends one line when a user has been silent for `silence_s`."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

from router.plugin import Batch, Context, Event, Item, Request, Settings, hookimpl, json_request


class SessionsSettings(Settings):
    """Where to, and how long a session lasts after its last track."""

    base_url: str
    silence_s: float = 1.0


class Sessions:
    """Tracks send nothing themselves; a session is the keyed state of its user."""

    settings_model = SessionsSettings
    kinds: Mapping[str, Batch] = {"": Batch(max_items=5)}

    def __init__(self, settings: SessionsSettings) -> None:
        self.settings = settings

    @hookimpl
    def state_key(self, event: Event) -> str | None:
        """One session a user."""
        return event.user_id if event.type == "track" else None

    @hookimpl
    def track(self, event: Event, context: Context) -> list[Item]:
        """Count it, and look again when the user has been silent."""
        session = context.state or {"first": event.message_id, "count": 0, "sum": 0}
        closes_at = event.received_at + timedelta(seconds=self.settings.silence_s)
        context.state = {
            "first": session["first"],
            "last": event.message_id,
            "count": session["count"] + 1,
            "sum": session["sum"] + event.properties["n"],
            "closes_at": closes_at.isoformat(),
        }
        context.wake(closes_at)
        return []

    @hookimpl
    def wake(self, key: str, at: datetime, context: Context) -> Item:
        """The session is over: what it came to, and a clean sheet."""
        session, context.state = context.state, None
        return Item({"user": key, "at": at.isoformat(), **(session or {"first": None, "count": 0, "sum": 0})})

    @hookimpl
    def request(self, items: list[Item]) -> Request:
        """The sessions as one JSON list."""
        return json_request(f"{self.settings.base_url}/sessions", [item.body for item in items])
