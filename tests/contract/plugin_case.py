"""Hooks called by hand: events that hold any JSON, which ingestion need not take, and what comes of them through JSON. What ingestion
takes goes through `router.testing.Rehearsal`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from router.plugin import Context, Event, Item
from router.plugin_host.hook_binding import bind

FIXTURES = Path(__file__).parent.parent / "fixtures"
NOW = "2024-03-01T10:00:00.000Z"

Call = Mapping[str, Any]

ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
"""Any value that JSON can hold, and the floats that it cannot."""


def event_of(call: Call, options: Mapping[str, Any] | None = None, source: str = "website") -> Event:
    """The event that ingestion makes of a Segment call."""
    sent = call.get("timestamp") or call.get("originalTimestamp") or NOW
    context = call.get("context") or {}
    return Event(
        type=call["type"],
        message_id=call.get("messageId", "m1"),
        source=source,
        user_id=id_text(call.get("userId")),
        anonymous_id=id_text(call.get("anonymousId")),
        group_id=id_text(call.get("groupId")) or id_text(context.get("groupId")),
        previous_id=id_text(call.get("previousId")),
        name=call.get("event") if call["type"] == "track" else call.get("name"),
        category=call.get("category"),
        traits=call.get("traits") or {},
        properties=call.get("properties") or {},
        timestamp=instant(sent),
        original_timestamp=instant(call.get("originalTimestamp") or sent),
        received_at=instant(call.get("receivedAt") or NOW),
        options=options or {},
        payload=call,
    )


def id_text(given: Any) -> str | None:
    """An id as ingestion keeps it: trimmed text, numbers without an empty fraction."""
    if isinstance(given, float) and given.is_integer():
        given = int(given)
    return str(given).strip() or None if isinstance(given, str | int | float) else None


def instant(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


def mapped(plugin: Any, event: Event, context: Context) -> list[Item]:
    """The items that the hook of an event returns."""
    return stored(bind(plugin, "plugin")[event.type](event, context))


def stored(found: Item | Iterable[Item]) -> list[Item]:
    """What a hook returned, as it comes back from the store: through JSON."""
    items = [found] if isinstance(found, Item) else list(found)
    assert all(isinstance(item, Item) for item in items)
    return [Item.of_json(item.json, item.kind) for item in items]
