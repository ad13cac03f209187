"""Who belongs to which group, as of a position: what calls tell (pure), and how the answer is looked up (pure).

The rows live in the store and are folded in the accepting transaction, so the directory is always ahead of every
destination; what a destination may know follows from positions alone.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from router.event import Call, open_event
from router.plugin import Event
from router.store import Facts, Known, Membership

FOLDED = frozenset({"identify", "group", "alias"})
"""The only call types that tell the directory anything; no other body is opened for it."""


def facts(call: Call) -> Facts | None:
    """What a call tells of users, groups, memberships and links; None for most."""
    if call.type not in FOLDED:
        return None
    event = open_event(call.source, call.type, call.message_id, call.received_at, call.body)
    if call.type == "identify":
        link = (f"a:{event.anonymous_id}", f"u:{event.user_id}") if event.anonymous_id and event.user_id else None
        return Facts(call.user_key, user_traits=dict(event.traits), link=link)
    if call.type == "group":
        joins = not call.user_key.startswith("g:")
        return Facts(call.user_key, group_id=event.group_id, group_traits=dict(event.traits), joins=joins)
    if event.previous_id and event.user_id and event.previous_id != event.user_id:
        previous, user_key = event.previous_id, f"u:{event.user_id}"
        return Facts(call.user_key, link=(f"a:{previous}", user_key), former=f"u:{previous}")
    return None


class Standing(msgspec.Struct, frozen=True):
    """The group of an event. `call_pos`: the group call that said so, None where the event names the group itself;
    `since`: the position from which the user belongs to it."""

    group_id: str
    call_pos: int | None = None
    since: int = 0


def keys_of(event: Event, lane_key: str, pos: int, known: Known) -> list[str]:
    """The user keys an event may draw its membership from, at most two, in order: its user's, its anonymousId's, and for an
    anonymous event that of the user its anonymousId was linked to as of the event."""
    keys = [lane_key]
    anonymous = f"a:{event.anonymous_id}" if event.anonymous_id else None
    if anonymous and anonymous not in keys:
        keys.append(anonymous)
    if event.user_id is None and anonymous:
        linked = linked_user(known, anonymous, pos)
        if linked and linked not in keys:
            keys.append(linked)
    return keys


def linked_user(known: Known, anonymous_key: str, pos: int) -> str | None:
    """The user an anonymousId belonged to as of a position."""
    found = None
    for at, user_key in known.links.get(anonymous_key, ()):
        if at <= pos:
            found = user_key
    return found


def owner(known: Known, anonymous_key: str, pos: int) -> str | None:
    """Whose an event of this position is that names no user: the user's whose the anonymousId was as of then, else the first
    one's that it was linked to afterwards."""
    links = known.links.get(anonymous_key, ())
    return linked_user(known, anonymous_key, pos) or (links[0][1] if links else None)


def standing(event: Event, keys: Iterable[str], pos: int, known: Known) -> Standing | None:
    """The event's own group, else the membership as of `pos`, else the first one after it: so an event that was held
    belongs to the group that released it, and a replay gives the same answer."""
    if event.group_id is not None:
        return Standing(event.group_id)
    keys = list(keys)
    for key in keys:
        current = membership_as_of(known, key, pos)
        if current is not None:
            return Standing(current.group_id, current.call_pos, current.pos)
    later = [m for key in keys for m in known.memberships.get(key, ()) if m.pos > pos]
    if not later:
        return None
    first = min(later, key=lambda m: m.pos)
    return Standing(first.group_id, first.call_pos, first.pos)


def membership_as_of(known: Known, key: str, pos: int) -> Membership | None:
    """The newest membership at or before a position."""
    found = None
    for membership in known.memberships.get(key, ()):
        if membership.pos <= pos:
            found = membership
    return found
