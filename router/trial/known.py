"""What a trial takes as known of the user and the group of an event. It asks no store: the answer depends on what was typed only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from router.directory import effective_group, keys_of
from router.event import Call, normalize_event
from router.store import DirectorySnapshot, GroupProfile, IsRefused, Membership, none_refused
from router.testing.samples import GROUP, USER


class Known(msgspec.Struct, frozen=True):
    """Of the user of whatever event is tried."""

    user_traits: Mapping[str, Any] = {}
    group_id: str = ""  #: the group that the user has belonged to from before; "": none
    group_traits: Mapping[str, Any] = {}  #: known from before


def known_of(call: Call, pos: int, directory: DirectorySnapshot) -> Known:
    """What the directory knows of the user and the group of a call that was accepted at a position."""
    event = normalize_event(call.source, call.type, call.message_id, call.received_at, call.body)
    group = effective_group(event, keys_of(event, call.user_key, pos, directory), pos, directory).group_id or ""
    profile = directory.companies.get(group)
    return Known(directory.people.get(call.user_key, {}), group, profile.traits if profile is not None else {})


def asked_of(call: Call, pos: int) -> tuple[list[tuple[str, int]], list[str]]:
    """What the directory must be asked for it: user keys with the position, and groups."""
    event = normalize_event(call.source, call.type, call.message_id, call.received_at, call.body)
    keys = dict.fromkeys([call.user_key, *([f"a:{event.anonymous_id}"] if event.anonymous_id else [])])
    return [(key, pos) for key in keys], [event.group_id] if event.group_id else []


NOTHING_KNOWN = Known()
SAMPLE_KNOWN = Known(USER.traits, GROUP.id, GROUP.traits)
"""The user of the samples and their group."""


class KnownDirectory:
    """The directory port of a trial."""

    def __init__(self, known: Known) -> None:
        self._known = known

    async def known(
        self, asks: Sequence[tuple[str, int]], group_ids: Sequence[str], is_refused: IsRefused = none_refused
    ) -> DirectorySnapshot:
        """The same for each user that is asked for."""
        known, keys = self._known, [key for key, _ in asks]
        memberships = [Membership(0, known.group_id, 0)] if known.group_id else []
        companies = {}
        if known.group_id:
            companies[known.group_id] = GroupProfile(dict(known.group_traits), dict.fromkeys(known.group_traits, 0))
        return DirectorySnapshot(
            people={key: dict(known.user_traits) for key in keys},
            companies=companies,
            memberships=dict.fromkeys(keys, memberships),
        )

    async def denied(self, asks: Sequence[tuple[str, int]]) -> dict[tuple[str, int], frozenset[str]]:
        """Nobody has withdrawn anything."""
        return {}

    async def withdrawals(self, after: int, upto: int, limit: int) -> list[tuple[int, str]]:
        """See `denied`."""
        return []


class NoState:
    """The keyed state of a plugin that remembers nothing yet."""

    async def load(self, state_keys: Sequence[str]) -> dict[str, bytes]:
        """None of these."""
        return {}

    async def due_timers(self, now_ms: int, limit: int) -> list[tuple[str, int, str]]:
        """No timer."""
        return []

    async def next_timer(self, after_ms: int) -> int | None:
        """No timer."""
        return None
