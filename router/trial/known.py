"""What a trial takes as known of the user and the group of an event: what was typed, and what the calls that are tried tell. It asks no store."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from router.directory import effective_group, keys_of
from router.event import Call, normalize_event
from router.store import DirectorySnapshot, IsRefused, Membership, none_refused
from router.store.folding import Traits
from router.testing.learned_directory import LearnedDirectory
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


class KnownDirectory(LearnedDirectory):
    """The directory port of a trial: what is known from before, of whatever user, and what the calls of the trial tell."""

    def __init__(self, known: Known) -> None:
        super().__init__()
        self._known = known
        if known.group_id:
            self.put_company(known.group_id, dict(known.group_traits), dict.fromkeys(known.group_traits, 0))

    async def known(
        self, asks: Sequence[tuple[str, int]], group_ids: Sequence[str], is_refused: IsRefused = none_refused
    ) -> DirectorySnapshot:
        """The same from before for each user that is asked for, with what they have told since."""
        found = self.snapshot()
        linked = [user_key for links in found.links.values() for _, user_key in links]
        for key in dict.fromkeys([*(key for key, _ in asks), *linked]):
            if (traits := self.person(key)) is not None:
                found.people[key] = traits
            if self._known.group_id:
                found.memberships[key] = [Membership(0, self._known.group_id, 0), *found.memberships.get(key, ())]
        return found

    def person(self, user_key: str) -> Traits | None:
        """See `folding.View`."""
        return super().person(user_key) or dict(self._known.user_traits) or None

    def membership(self, user_key: str) -> tuple[str, int] | None:
        """See `folding.View`."""
        return super().membership(user_key) or ((self._known.group_id, 0) if self._known.group_id else None)


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
