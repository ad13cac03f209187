"""What is sent: the calls of many users, numbered, each telling from its number alone what it must say and come to."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from random import Random
from typing import Any, NamedTuple

ALWAYS, ONCE = "always", "once"
"""How a vendor refuses a track: for good, or until a replay sends it a second time."""
ILL_SHARE = 0.004
PAGE_SHARE = 0.01


class Sent(NamedTuple):
    """One event. The numbers of a user key rise in the order in which its events were sent."""

    number: int
    key: str  #: the user, or the anonymousId before it is linked to the user
    user: str
    type: str
    ill: str  #: "", ALWAYS or ONCE

    @property
    def id(self) -> str:
        """Its message id."""
        return message_id(self.number)


def message_id(number: int) -> str:
    """Spread over the whole range, so that no index of ids is cheaper than it would be."""
    return f"{number * 0x9E3779B97F4A7C15 % 2**64:016x}-{number}"


def number_of(id: str) -> int:
    """The number in a message id."""
    return int(id.partition("-")[2])


def told(number: int, ill: str) -> dict[str, Any]:
    """What the properties or traits of this event say."""
    said: dict[str, Any] = {"n": number, "note": f"Ünïcode ☃ {number * 7919:x}", "deep": {"list": [number, None, 0.5]}}
    return {**said, "ill": ill} if ill else said


class User:
    """The calls of one user. Its group comes early, late, or only at the very end; its name may come from another user."""

    def __init__(self, number: int, groups: int, numbers: count[int], random: Random) -> None:
        self.name, self._numbers, self._random = f"u{number}", numbers, random
        self._group_at = random.choice([0, 1, random.randrange(5, 30), random.randrange(10, 60), 1 << 30])
        self._anonymous_until = random.randrange(3, 12) if number % 5 == 0 else 0
        self._group, self._names_it = f"g{number % groups}", number < groups
        self._sent = 0
        self._grouped = False

    def next(self) -> tuple[Sent, dict[str, Any]]:
        """The next event, and the call it is."""
        self._sent += 1
        anonymous = {"anonymousId": f"anon-{self.name}"}
        if self._sent <= self._anonymous_until:
            return self._track(anonymous, f"a:{self.name}")
        if self._sent == self._anonymous_until + 1:
            return self._identify({**anonymous} if self._anonymous_until else {})
        if self._sent >= self._group_at and not self._grouped:
            return self.group()
        dice = self._random.random()
        if dice < 0.1:
            return self._identify({})
        if self._grouped and dice < 0.13:
            return self.group(named=True)
        if dice < 0.13 + PAGE_SHARE:
            return self._event("page", {"userId": self.name, "name": "Home"}, "properties", self.name)
        return self._track({"userId": self.name}, self.name)

    def last(self) -> Iterator[tuple[Sent, dict[str, Any]]]:
        """What opens every gate that may still be shut for this user, with more behind it."""
        if self._sent <= self._anonymous_until:
            yield self._identify({"anonymousId": f"anon-{self.name}"})
        yield self._track({"userId": self.name}, self.name)
        if self._names_it or not self._grouped:
            yield self.group(named=self._names_it)
        yield self._track({"userId": self.name}, self.name)

    def group(self, *, named: bool = False) -> tuple[Sent, dict[str, Any]]:
        """A group call."""
        self._grouped = True
        more = {"name": f"Name of {self._group}"} if named else {}
        return self._event("group", {"userId": self.name, "groupId": self._group}, "traits", self.name, more=more)

    def _identify(self, ids: dict[str, str]) -> tuple[Sent, dict[str, Any]]:
        return self._event("identify", {"userId": self.name, **ids}, "traits", self.name)

    def _track(self, ids: dict[str, str], key: str) -> tuple[Sent, dict[str, Any]]:
        dice = self._random.random()
        ill = ALWAYS if dice < ILL_SHARE / 2 else ONCE if dice < ILL_SHARE else ""
        return self._event("track", {**ids, "event": "E"}, "properties", key, ill)

    def _event(
        self, type: str, call: dict[str, Any], field: str, key: str, ill: str = "", more: dict[str, Any] | None = None
    ) -> tuple[Sent, dict[str, Any]]:
        number = next(self._numbers)
        sent = Sent(number, key, self.name, type, ill)
        return sent, {**call, "type": type, "messageId": sent.id, field: {**told(number, ill), **(more or {})}}
