"""Many calls: what grows with each of them, in the state of one user, or in the memory of the instance, its class and its modules."""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from types import CellType, FunctionType, ModuleType
from typing import Any

import msgspec

from router.plugin import Event
from router.plugin_host import Destination
from router.testing.checking.hook_inputs import is_called
from router.testing.checking.mapping_call import key_of
from router.testing.checking.observing import EVERYTHING
from router.testing.checking.story import Story, tell
from router.testing.checking.watch import Watch, is_of

__all__ = ["held_by", "of_many_users", "of_one_user", "of_user"]

MAX_COUNTED = 5_000_000
NAMES = 10
"""Names of events: few, as in real traffic."""


def of_one_user(destination: Destination, samples: Mapping[str, Event], package: str, n: int) -> Story:
    """Calls of one user that have a state, with message ids of their own."""
    watch = Watch(package, EVERYTHING, profile=False)
    called = [event for event in samples.values() if is_called(destination, event)]
    keyed = [event for event in called if key_of(destination, event, watch).text is not None]
    return tell(destination, {f"call {at}": _numbered(keyed, at) for at in range(n if keyed else 0)}, package)


def of_many_users(destination: Destination, samples: Mapping[str, Event], package: str, first: int, end: int) -> Story:
    """Calls of as many users."""
    called = [event for event in samples.values() if is_called(destination, event)]
    return tell(
        destination, {f"call {at}": of_user(f"u-{at}", _numbered(called, at)) for at in range(first, end)}, package
    )


def _numbered(events: Sequence[Event], at: int) -> Event:
    event = events[at % len(events)]
    named = f"Event {at % NAMES}" if event.type == "track" else event.name
    payload = {**event.payload, "messageId": f"m-{at}"}
    return msgspec.structs.replace(event, message_id=f"m-{at}", name=named, payload=payload)


def of_user(user: str, event: Event) -> Event:
    """The event of another user."""
    payload = {**event.payload, "userId": user, "anonymousId": f"of {user}"}
    return msgspec.structs.replace(event, user_id=user, anonymous_id=f"of {user}", payload=payload)


def held_by(instance: object, package: str) -> int:
    """How many values an instance, its classes and the modules of its package hold, in whatever they hold."""
    modules = [module for name, module in list(sys.modules.items()) if is_of(name, package)]
    waiting: deque[Any] = deque([instance, *type(instance).__mro__, *modules])
    met: set[int] = set()
    cached = 0
    while waiting and len(met) < MAX_COUNTED:
        value = waiting.popleft()
        if id(value) not in met:
            met.add(id(value))
            if isinstance(value, _LRU_CACHE):
                cached += value.cache_info().currsize
            waiting.extend(_inside(value, package))
    return len(met) + cached


_LRU_CACHE = type(lru_cache(int))


def _inside(value: Any, package: str) -> Iterable[Any]:
    if isinstance(value, Mapping):
        return [*value.keys(), *value.values()]
    if isinstance(value, list | tuple | set | frozenset | deque):
        return list(value)
    if isinstance(value, ModuleType):
        return list(vars(value).values()) if is_of(value.__name__, package) else ()
    if isinstance(value, FunctionType):
        return _of_function(value) if is_of(value.__module__ or "", package) else ()
    of = value if isinstance(value, type) else type(value)
    if not is_of(of.__module__, package):
        return ()
    slots = [name for each in of.__mro__ for name in getattr(each, "__slots__", ())] if of is not value else []
    return [*vars(value).values()] if hasattr(value, "__dict__") else [getattr(value, slot, None) for slot in slots]


def _of_function(function: FunctionType) -> Iterable[Any]:
    """What it keeps between its calls: default values, and the variables around it."""
    cells = [cell.cell_contents for cell in function.__closure__ or () if cell != _EMPTY]
    return [function.__defaults__, function.__kwdefaults__, function.__dict__, *cells]


_EMPTY = CellType()
