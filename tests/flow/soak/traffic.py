"""The calls, each made from its number alone. Users come and go; the group of each comes late, and some come very late."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

PER_USER = 100
"""A new user begins with every so many events."""
ACTIVE = 50
"""So many users, the newest ones, are active at a time."""
GROUPS = 500
LATE, VERY_LATE = 5, 45
"""A user's group call comes when so many newer users have begun; the second is that of every tenth user."""
MIX = 7919
"""A prime, so that the events of the active users are mixed."""


def call(number: int) -> dict[str, Any]:
    """The call of this number, for a batch."""
    newest, place = divmod(number, PER_USER)
    if place == PER_USER - 1 and newest >= LATE and not _is_very_late(newest - LATE):
        return group_call(newest - LATE, number)
    if place == PER_USER - 2 and newest >= VERY_LATE and _is_very_late(newest - VERY_LATE):
        return group_call(newest - VERY_LATE, number)
    user = _user(max(0, newest - number * MIX % ACTIVE))
    if place == PER_USER // 2:
        traits = {"n": number, "plan": f"plan {number % 7}"}
        return {"type": "identify", "userId": user, "messageId": message_id(number), "traits": traits}
    properties = {"n": number, "feature": "export", "note": f"Ünïcode ☃ {number * MIX:x}", "list": [number, None, 0.5]}
    return {
        "type": "track", "userId": user, "messageId": message_id(number), "event": "Feature Used", "properties": properties,
    }  # fmt: skip


def last_calls(number: int) -> Iterator[dict[str, Any]]:
    """The calls from this number on that open every gate which is still shut."""
    newest = number // PER_USER
    for user in range(max(0, newest - VERY_LATE - 1), newest + 1):
        yield group_call(user, number)
        number += 1


def group_call(user: int, number: int) -> dict[str, Any]:
    """A call that tells a user's group, with its name."""
    group = user % GROUPS
    return {
        "type": "group", "userId": _user(user), "groupId": f"g{group}", "messageId": message_id(number),
        "traits": {"n": number, "name": f"Group {group}"},
    }  # fmt: skip


def message_id(number: int) -> str:
    """Spread over the whole range, so that no index of ids is cheaper than it would be."""
    return f"{number * 0x9E3779B97F4A7C15 % 2**64:016x}-{number}"


def number_of(id: str) -> int:
    """The number in a message id."""
    return int(id.partition("-")[2])


def _user(number: int) -> str:
    return f"u{number}"


def _is_very_late(user: int) -> bool:
    return user % 10 == 0
