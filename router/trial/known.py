"""What a trial takes as known of the user and the group of an event. It asks no store: the answer depends on what was typed only."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import msgspec

from router.store import DirectorySnapshot, GroupProfile, Membership
from router.testing.samples import GROUP, USER


class Known(msgspec.Struct, frozen=True):
    """Of the user of whatever event is tried."""

    user_traits: Mapping[str, Any] = {}
    group_id: str = ""  #: the group that the user has belonged to from before; "": none
    group_traits: Mapping[str, Any] = {}  #: known from before


NOTHING_KNOWN = Known()
SAMPLE_KNOWN = Known(USER.traits, GROUP.id, GROUP.traits)
"""The user of the samples and their group."""


class KnownDirectory:
    """The directory port of a trial."""

    def __init__(self, known: Known) -> None:
        self._known = known

    async def known(
        self, asks: Sequence[tuple[str, int]], group_ids: Sequence[str], refused: Collection[int] = ()
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
