"""Events that differ from a sample in one thing: the user, the id and the time, or the group, the source and the options."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import msgspec

from router.plugin import Event

__all__ = ["id_of_later", "later", "numbered", "of_user", "unseen", "with_other_id", "with_other_surroundings"]

OTHER = "other-4711"
"""The id of another group, and the name of another source."""
NAMES = 10
"""Names of events: few, as in real traffic."""
_IDS = {
    "user_id": "userId",
    "anonymous_id": "anonymousId",
    "group_id": "groupId",
    "previous_id": "previousId",
    "message_id": "messageId",
}
"""The ids of an event, and their names in its payload."""
_INSTANTS = ("timestamp", "original_timestamp", "received_at")


def of_user(user: str, event: Event) -> Event:
    """The event of another user, whose ids and email are others."""
    payload = {**event.payload, "userId": user, "anonymousId": f"of {user}"}
    of_other = msgspec.structs.replace(event, user_id=user, anonymous_id=f"of {user}", payload=payload)
    return _with_email(of_other, f"{user}@acme.example") if "email" in event.traits else of_other


def numbered(event: Event, at: int) -> Event:
    """The event with another message id, and with one of a few names."""
    named = f"Event {at % NAMES}" if event.type == "track" else event.name
    return _with_id(msgspec.structs.replace(event, name=named), f"m-{at}")


def unseen(event: Event, at: int, *, is_renamed: bool) -> Event:
    """Done by a user and in a group that no other check knows, and under a name that none has. What a plugin has looked up does not help it."""
    of_other = of_user(f"unseen-{at}", event)
    changes: dict[str, Any] = {}
    payload = {**of_other.payload}
    if event.name and is_renamed:
        changes["name"] = payload["event" if event.type == "track" else "name"] = f"{event.name} {at}"
    if event.group_id:
        changes["group_id"] = payload["groupId"] = f"unseen-group-{at}"
    return _with_id(msgspec.structs.replace(of_other, **changes, payload=payload), f"unseen-{at}")


def later(event: Event, seconds: int) -> Event:
    """The same done again, so much later."""
    moved = {name: getattr(event, name) + timedelta(seconds=seconds) for name in _INSTANTS}
    return msgspec.structs.replace(_with_id(event, id_of_later(seconds)), **moved)


def id_of_later(seconds: int) -> str:
    """The message id that `later` gives."""
    return f"again-{seconds}"


def with_other_id(event: Event, id: str, other: str) -> Event:
    """The event with another id in place of this one."""
    names = [name for name in _IDS if getattr(event, name) == id]
    payload = {**event.payload, **{_IDS[name]: other for name in names if event.payload.get(_IDS[name]) == id}}
    return msgspec.structs.replace(event, **dict.fromkeys(names, other), payload=payload)


def with_other_surroundings(event: Event) -> Iterator[tuple[str, Event]]:
    """The event with one thing changed that is not of its user, and the name of that thing."""
    if event.group_id != OTHER and event.type != "group":
        context = event.payload.get("context")
        inner = {**context, "groupId": OTHER} if isinstance(context, dict) else {"groupId": OTHER}
        yield "group", msgspec.structs.replace(event, group_id=OTHER, payload={**event.payload, "context": inner})
    yield "source", msgspec.structs.replace(event, source=OTHER)
    yield "options", msgspec.structs.replace(event, options={**event.options, "id": OTHER})


def _with_email(event: Event, email: str) -> Event:
    traits = {**event.traits, "email": email}
    return msgspec.structs.replace(event, traits=traits, payload={**event.payload, "traits": traits})


def _with_id(event: Event, message_id: str) -> Event:
    return msgspec.structs.replace(event, message_id=message_id, payload={**event.payload, "messageId": message_id})
