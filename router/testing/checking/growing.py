"""Many calls: what grows with each of them, in the state of one user or in the memory of the instance."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from router.plugin import Event
from router.plugin_host import Destination
from router.testing.checking.calls import is_called
from router.testing.checking.mapped import key_of
from router.testing.checking.observing import EVERYTHING
from router.testing.checking.story import Story, tell
from router.testing.checking.watch import Watch

__all__ = ["held_by", "of_many_users", "of_one_user", "of_user"]

MAX_COUNTED = 500_000
NAMES = 10
"""Names of events: few, as in real traffic."""


def of_one_user(destination: Destination, samples: Mapping[str, Event], package: str, n: int) -> Story:
    """Calls of one user that have a state, with message ids of their own."""
    watch = Watch(package, EVERYTHING, profile=False)
    called = [event for event in samples.values() if is_called(destination, event)]
    keyed = [event for event in called if key_of(destination, event, watch).text is not None]
    return tell(destination, {f"call {at}": _numbered(keyed, at) for at in range(n if keyed else 0)}, package)


def of_many_users(destination: Destination, samples: Mapping[str, Event], package: str, first: int, end: int) -> None:
    """Calls of as many users."""
    called = [event for event in samples.values() if is_called(destination, event)]
    tell(destination, {f"call {at}": of_user(f"u-{at}", _numbered(called, at)) for at in range(first, end)}, package)


def _numbered(events: Sequence[Event], at: int) -> Event:
    event = events[at % len(events)]
    named = f"Event {at % NAMES}" if event.type == "track" else event.name
    payload = {**event.payload, "messageId": f"m-{at}"}
    return msgspec.structs.replace(event, message_id=f"m-{at}", name=named, payload=payload)


def of_user(user: str, event: Event) -> Event:
    """The event of another user."""
    payload = {**event.payload, "userId": user, "anonymousId": f"of {user}"}
    return msgspec.structs.replace(event, user_id=user, anonymous_id=f"of {user}", payload=payload)


def held_by(instance: object) -> int:
    """How many values an instance holds, in its attributes and whatever they hold."""
    package = type(instance).__module__.partition(".")[0]
    waiting: deque[Any] = deque([instance])
    met: set[int] = set()
    while waiting and len(met) < MAX_COUNTED:
        value = waiting.popleft()
        if id(value) not in met:
            met.add(id(value))
            waiting.extend(_inside(value, package))
    return len(met)


def _inside(value: Any, package: str) -> Iterable[Any]:
    if isinstance(value, Mapping):
        return [*value.keys(), *value.values()]
    if isinstance(value, list | tuple | set | frozenset | deque):
        return list(value)
    if type(value).__module__.partition(".")[0] == package and hasattr(value, "__dict__"):
        return list(vars(value).values())
    return ()
