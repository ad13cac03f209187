"""Many calls, of one user or of many: the state that they leave, and what they show that few calls do not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from router.plugin import Event
from router.plugin_host import Destination
from router.testing.checking.calls_in_order import Story, tell
from router.testing.checking.event_variants import numbered, of_user
from router.testing.checking.hook_inputs import is_called
from router.testing.checking.mapping_call import key_of
from router.testing.checking.mapping_runs import EVERYTHING
from router.testing.checking.watch import Watch

__all__ = ["calls_of_many_users", "of_many_users", "of_one_user"]


def of_one_user(destination: Destination, samples: Mapping[str, Event], package: str, n: int) -> Story:
    """Calls of one user that have a state, with message ids of their own."""
    watch = Watch(package, EVERYTHING, profile=False)
    called = [event for event in samples.values() if is_called(destination, event)]
    keyed = [event for event in called if key_of(destination, event, watch).text is not None]
    return tell(destination, {f"call {at}": _nth(keyed, at) for at in range(n if keyed else 0)}, package)


def of_many_users(destination: Destination, samples: Mapping[str, Event], package: str, n: int) -> Story:
    """Calls of as many users."""
    return tell(destination, dict(calls_of_many_users(destination, samples, 0, n)), package)


def calls_of_many_users(
    destination: Destination, samples: Mapping[str, Event], first: int, end: int
) -> Iterator[tuple[str, Event]]:
    """The calls of these users, one of each, with a label."""
    called = [event for event in samples.values() if is_called(destination, event)]
    for at in range(first, end if called else first):
        yield f"call {at}", of_user(f"u-{at}", _nth(called, at))


def _nth(events: Sequence[Event], at: int) -> Event:
    return numbered(events[at % len(events)], at)
