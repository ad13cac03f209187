"""The group gate: whether what a plugin must know first is known here. Pure; it knows no vendor.

Seeing a group call is never enough: it counts once it is settled at this destination and was not refused.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import msgspec

from router.decide.group_readiness import GroupReadiness
from router.directory import EffectiveGroup, effective_group, keys_of
from router.plugin import Event, Group
from router.store import DirectorySnapshot


class Open(msgspec.Struct, frozen=True):
    """The event may go out, on behalf of this group."""

    group_id: str | None


class Closed(msgspec.Struct, frozen=True):
    """The event must wait."""

    reason: str
    #: each will do, at most two: a user key (a group call of that user), "c:<position>" (that group call, which is on its
    #: way) or "g:<group>" (a trait of that group)
    keys: tuple[str, ...]
    group_id: str = ""
    refused_pos: int = 0  #: the group call that was refused here, where that is why


def call_key(pos: int) -> str:
    """The wait key that is met once the group call at this position is settled or refused."""
    return f"c:{pos}"


def group_key(group_id: str) -> str:
    """The wait key that is met once more is known of this group."""
    return f"g:{group_id}"


def ask(
    requirements: Iterable[Group],
    event: Event,
    user_key: str,
    pos: int,
    known: DirectorySnapshot,
    readiness: GroupReadiness,
    told_as: Mapping[str, tuple[str, ...]] = {},
) -> Open | Closed:
    """Ask the gate for an event.

    Args:
        user_key: of the lane in which the event stands.
        pos: the position by which the directory is asked.
        told_as: under which names calls tell a trait, where a mapping table says so; any of them will do, and where there
            are none the trait is always known.
    """
    keys = keys_of(event, user_key, pos, known)
    found = effective_group(event, keys, pos, known, readiness.is_refused)
    earlier = _may_count_again(found, keys, pos)
    for requirement in requirements:
        if found.group_id is None:
            return Closed("group_unknown", tuple(keys), refused_pos=found.refused_pos)
        if found.call_pos is not None and not readiness.has(found.call_pos, "id"):
            return Closed("group_unknown", (call_key(found.call_pos), *earlier))
        group = known.companies.get(found.group_id)
        since = group.since if group else {}
        for trait in requirement.traits:
            names = told_as.get(trait, (trait,))
            if names and not any(name in since and readiness.has(since[name], name) for name in names):
                return Closed(f"group_{trait}_unknown", (group_key(found.group_id), *earlier), found.group_id)
    return Open(found.group_id)


def _may_count_again(found: EffectiveGroup, keys: Sequence[str], pos: int) -> tuple[str, ...]:
    """Whose refused group call may count again. A group from after the event is the first one that was not refused: it is
    another one then. A snapshot does not say which later ones were; a call of an anonymousId concerns its user as well."""
    if found.since <= pos:
        return ()
    return (found.refused_key or next((key for key in keys if key.startswith("u:")), keys[0]),)
