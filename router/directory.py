"""Who belongs to which group, as of a position: what calls tell (pure), and how the answer is looked up (pure).

The rows live in the store and are folded in the accepting transaction, so the directory is always ahead of every
destination; what a destination may know follows from positions alone.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable

import msgspec

from router.event import Call, normalize_event, tells_nothing
from router.plugin import Event
from router.store import NO_GROUP, DirectorySnapshot, DirectoryUpdate, IsRefused, Membership, none_refused

FOLDED = frozenset({"identify", "group", "alias"})
"""The only call types that tell the directory anything; no other body is opened for it."""


MAX_CATEGORIES, MAX_CATEGORY = 100, 100
"""What is followed of the consent in one event, where it has more than destinations need: so many categories, with ids of so many
characters."""


def facts(call: Call) -> DirectoryUpdate | None:
    """What a call tells of users, groups, memberships and links; None for most."""
    if call.type not in FOLDED or tells_nothing(call.body):
        return None
    event = _opened(call)
    if call.type == "identify":
        link = (f"a:{event.anonymous_id}", f"u:{event.user_id}") if event.anonymous_id and event.user_id else None
        return DirectoryUpdate(call.user_key, user_traits=dict(event.traits), link=link)
    if call.type == "group":
        joins = not call.user_key.startswith("g:")
        return DirectoryUpdate(call.user_key, group_id=event.group_id, group_traits=dict(event.traits), joins=joins)
    if event.previous_id and event.user_id and event.previous_id != event.user_id:
        previous, user_key = event.previous_id, f"u:{event.user_id}"
        return DirectoryUpdate(call.user_key, link=(f"a:{previous}", user_key), former=f"u:{previous}")
    return None


def facts_with_consent(call: Call, needed: Callable[[], Collection[str]]) -> DirectoryUpdate | None:
    """The same with the preferences that a call carries, and who says them. Only for this other bodies are opened.

    Args:
        needed: the categories that destinations need; asked where a call has too many.
    """
    told = facts(call)
    if told is not None:
        told.follows_consent = True
    if call.user_key.startswith("g:") or not (b"categoryPreferences" in call.body or b"\\u" in call.body):
        return told
    event = _opened(call)
    preferences = _preferences(event, needed)
    if not preferences:
        return told
    told = told or DirectoryUpdate(call.user_key)
    told.preferences = preferences
    told.preferences_of = (call.user_key, *([f"a:{event.anonymous_id}"] if event.anonymous_id else ()))
    return told


def _opened(call: Call) -> Event:
    if call.opened is not None:
        return call.opened
    return normalize_event(call.source, call.type, call.message_id, call.received_at, call.body)


def _preferences(event: Event, needed: Callable[[], Collection[str]]) -> dict[str, bool]:
    """An event's `categoryPreferences`, and whether each is given; of RudderStack's lists nothing. Where these are too many: those
    that destinations need, then what is denied, then the others."""
    consent = event.payload["context"].get("consent")
    named = consent.get("categoryPreferences") if isinstance(consent, dict) else None
    if not isinstance(named, dict):
        return {}
    told = {id: given is True for id, given in named.items() if id}
    if len(told) <= MAX_CATEGORIES and all(len(id) <= MAX_CATEGORY for id in told):
        return told
    first = frozenset(needed())
    kept = [id for id in told if id in first or len(id) <= MAX_CATEGORY]
    kept.sort(key=lambda id: (id not in first, told[id]))
    return {id: told[id] for id in kept[:MAX_CATEGORIES]}


class EffectiveGroup(msgspec.Struct, frozen=True):
    """The group that an event belongs to. `call_pos`: the group call that said so, None where the event names the group
    itself; `since`: the position from which the user belongs to it. `group_id` None: there is none, and `refused_pos` is
    the call that would have told one, where the vendor refused it. `refused_key`: whose group as of the event was refused."""

    group_id: str | None
    call_pos: int | None = None
    since: int = 0
    refused_pos: int = 0
    refused_key: str = ""


def keys_of(event: Event, lane_key: str, pos: int, known: DirectorySnapshot) -> list[str]:
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


def linked_user(known: DirectorySnapshot, anonymous_key: str, pos: int) -> str | None:
    """The user an anonymousId belonged to as of a position."""
    found = None
    for at, user_key in known.links.get(anonymous_key, ()):
        if at <= pos:
            found = user_key
    return found


def owner(known: DirectorySnapshot, anonymous_key: str, pos: int) -> str | None:
    """The user to whom an event without a userId belongs: the one its anonymousId was linked to as of the event, else the
    first one it was linked to afterwards."""
    user = linked_user(known, anonymous_key, pos)
    if user is not None:
        return user
    return next((user_key for at, user_key in known.links.get(anonymous_key, ()) if at > pos), None)


def effective_group(
    event: Event,
    keys: Iterable[str],
    pos: int,
    known: DirectorySnapshot,
    is_refused: IsRefused = none_refused,
) -> EffectiveGroup:
    """The event's own group, else the membership as of `pos`, else the first one after it.

    So an event that was held belongs to the group that released it, and a replay gives the same answer. A membership
    whose group call was refused (`is_refused` of its position), or whose group was forgotten, does not count.
    """
    if event.group_id is not None:
        return EffectiveGroup(event.group_id)
    asked: list[str] = []
    refused = 0
    refused_key = ""
    for key in keys:
        asked.append(key)
        current = membership_as_of(known, key, pos)
        if current is None:
            continue
        if current.group_id == NO_GROUP:
            break
        if not is_refused(current.call_pos):
            return EffectiveGroup(current.group_id, current.call_pos, current.pos)
        refused, refused_key = current.call_pos, key
        break
    first: Membership | None = None
    for key in asked:
        for later in known.memberships.get(key, ()):
            if later.pos <= pos or later.group_id == NO_GROUP or (first is not None and later.pos >= first.pos):
                continue
            if is_refused(later.call_pos):
                refused = max(refused, later.call_pos)
            else:
                first = later
    if first is None:
        return EffectiveGroup(None, refused_pos=refused)
    return EffectiveGroup(first.group_id, first.call_pos, first.pos, refused_key=refused_key)


def membership_as_of(known: DirectorySnapshot, key: str, pos: int) -> Membership | None:
    """The newest membership at or before a position."""
    found = None
    for membership in known.memberships.get(key, ()):
        if membership.pos <= pos:
            found = membership
    return found
