"""What hooks are called with: events of all types and oddities, what is known of user and group, people and groups to be deleted."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator, Mapping

import msgspec

from router.plugin import JSON, Event, Group, Person, Profile, UserId
from router.plugin_host import Destination
from router.testing.oddities import event_of, every_call
from router.testing.samples import CALLS, GROUP, USER, SampleContext

__all__ = ["ANONYMOUS", "GROUPS", "KNOWN", "OWN", "PEOPLE", "REPLAYED", "contexts", "events_for", "is_called"]

KNOWN, LITTLE = "user and group known", "little known"
REPLAYED, OWN = ", replayed", "calls["
"""In the label of an event; what the label of a call of the author's begins with."""
ODD_ID = "zoë@例え.jp a/b?c#d%e&f"
LIKE_PATHS = ("a", "A", "a/b", "..")
"""Ids that are easily taken for one another, or for a path."""
ANONYMOUS = "anonymousIds only"
PEOPLE: Mapping[str, Person] = {
    "a user": Person(USER.id),
    "a user with anonymousIds": Person(USER.id, ("3f0c8a52", "9B7F")),
    ANONYMOUS: Person(None, ("3f0c8a52",)),
    "a user with an odd id": Person(ODD_ID),
    **{f"a user with the id {id}": Person(id) for id in LIKE_PATHS},
}
GROUPS: Mapping[str, str] = {
    "a group": GROUP.id,
    "a group with an odd id": ODD_ID,
    **{f"a group with the id {id}": id for id in LIKE_PATHS},
}
ODD_OPTIONS: JSON = {
    "id": 7,
    "braze_id": ["x"],
    "email": None,
    "sessionId": 1_772_443_800,
    "nested": {"a": [{"b": "ü"}]},
    "": "",
}


def events_for(destination: Destination, calls: Iterable[Mapping[str, JSON] | bytes] = ()) -> dict[str, Event]:
    """Every sample and oddity, those with odd options for this destination, some that are replayed, and the author's own calls."""
    bodies: dict[str, Mapping[str, JSON] | bytes] = {f"call {name!r}": body for name, body in every_call().items()}
    for type, call in CALLS.items():
        bodies[f"call {type!r} with odd options"] = {**call, "integrations": {destination.name: ODD_OPTIONS}}
    bodies |= {f"{OWN}{number}]": call for number, call in enumerate(calls)}
    events = {label: event_of(body, destination.names) for label, body in bodies.items()}
    replayed = {
        f"call {type!r}{REPLAYED}": msgspec.structs.replace(events[f"call {type!r}"], is_replay=True) for type in CALLS
    }
    return events | replayed


def is_called(destination: Destination, event: Event) -> bool:
    """Whether the router calls a hook with this event."""
    if event.type not in destination.hooks:
        return False
    return event.user_id is not None or UserId() not in destination.requires.get(event.type, ())


def contexts(destination: Destination, type: str, state: JSON = None) -> Iterator[tuple[str, SampleContext]]:
    """What may be known beside an event of this type: much, and as little as its gate lets through."""
    groups = [need for need in destination.requires.get(type, ()) if isinstance(need, Group)]
    traits = [trait for need in groups for trait in need.traits]
    full = Profile(GROUP.id, {**dict.fromkeys(traits, "sample"), **GROUP.traits})
    yield KNOWN, _context(USER, full, state)
    yield LITTLE, _context(None, Profile("77", dict.fromkeys(traits, 7)) if groups else None, state)


def _context(user: Profile | None, group: Profile | None, state: JSON) -> SampleContext:
    return SampleContext(copy.deepcopy(user), copy.deepcopy(group), state)
