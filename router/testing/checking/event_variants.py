"""Events that differ from a sample in one thing: the user, or the id and the time."""

from __future__ import annotations

from datetime import timedelta

import msgspec

from router.plugin import Event

__all__ = ["later", "numbered", "of_user"]

NAMES = 10
"""Names of events: few, as in real traffic."""
_INSTANTS = ("timestamp", "original_timestamp", "received_at")


def of_user(user: str, event: Event) -> Event:
    """The event of another user."""
    payload = {**event.payload, "userId": user, "anonymousId": f"of {user}"}
    return msgspec.structs.replace(event, user_id=user, anonymous_id=f"of {user}", payload=payload)


def numbered(event: Event, at: int) -> Event:
    """The event with another message id, and with one of a few names."""
    named = f"Event {at % NAMES}" if event.type == "track" else event.name
    return _with_id(msgspec.structs.replace(event, name=named), f"m-{at}")


def later(event: Event, seconds: int) -> Event:
    """The same done again, so much later."""
    moved = {name: getattr(event, name) + timedelta(seconds=seconds) for name in _INSTANTS}
    return msgspec.structs.replace(_with_id(event, f"again-{seconds}"), **moved)


def _with_id(event: Event, message_id: str) -> Event:
    return msgspec.structs.replace(event, message_id=message_id, payload={**event.payload, "messageId": message_id})
