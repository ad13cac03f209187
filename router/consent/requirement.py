"""Which consent a destination needs, and what it says to one event."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import msgspec

from router.consent.preferences import read_preferences
from router.consent.update import is_update

CONSENT, MISSING, WITHDRAWN = "consent", "consent_missing", "consent_withdrawn"
REASONS = (CONSENT, MISSING, WITHDRAWN)
"""Why an event is `filtered` for want of consent."""


class Need(msgspec.Struct, frozen=True):
    """The categories of a destination: all of these, or any one of them."""

    ids: tuple[str, ...]  #: each once
    is_any: bool = False


class Withheld(msgspec.Struct, frozen=True):
    """An event does not go on for want of consent."""

    reason: str
    lacking: tuple[str, ...] = ()  #: the ids that are not given, in the order of the configuration

    @property
    def detail(self) -> str:
        """The ids that lack, as people read them."""
        return ", ".join(self.lacking)


NO_PREFERENCES = Withheld(MISSING)


class Requirement(msgspec.Struct, frozen=True):
    """`consent`, `consent_missing` and `consent_updates` of one destination."""

    need: Need
    blocks_missing: bool = False  #: an event without any preferences does not go on
    sends_updates: bool = False  #: the event that tells of changed preferences goes on whatever it says
    follows: bool = False  #: the latest preferences of its user are asked too while an event waits

    def withheld(self, call: Mapping[str, Any]) -> Withheld | None:
        """Why this call, as it was accepted, does not go on; None: it does."""
        if self.sends_updates and is_update(call):
            return None
        preferences = read_preferences(call)
        if preferences is None:
            return NO_PREFERENCES if self.blocks_missing else None
        return self._withheld(CONSENT, [id for id in self.need.ids if not preferences.gives(id)])

    def withdrawn(self, call: Mapping[str, Any], denied: Collection[str]) -> Withheld | None:
        """The same where the user has denied these categories by now: what the call gave and they took back."""
        if not denied or (self.sends_updates and is_update(call)):
            return None
        preferences = read_preferences(call)
        given = self.need.ids if preferences is None else [id for id in self.need.ids if preferences.gives(id)]
        return self._withheld(WITHDRAWN, [id for id in self.need.ids if id in denied or id not in given])

    def _withheld(self, reason: str, lacking: list[str]) -> Withheld | None:
        if not lacking or (self.need.is_any and len(lacking) < len(self.need.ids)):
            return None
        return Withheld(reason, tuple(lacking))
