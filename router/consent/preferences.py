"""What an event says of its user's consent, in Segment's words (`context.consent`) or RudderStack's (`context.consentManagement`).

Sources: https://segment.com/docs/privacy/consent-management/, https://www.rudderstack.com/docs/data-governance/consent-management/
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec


class Preferences(msgspec.Struct, frozen=True):
    """The consent that one event carries, by category id. Ids are compared to the letter."""

    named: Mapping[str, Any]  #: as the sender wrote it: only the bool true is consent
    others: bool = False  #: whether a category that is not named is given

    def gives(self, category: str) -> bool:
        """Whether this category is given."""
        return self.named.get(category, self.others) is True


def read_preferences(call: Mapping[str, Any]) -> Preferences | None:
    """The preferences in a call as it was accepted; None where it carries none. Segment's object comes first.

    An empty `categoryPreferences` is an object: it gives nothing.
    """
    context = call.get("context")
    if not isinstance(context, dict):
        return None
    consent = context.get("consent")
    if isinstance(consent, dict) and isinstance(named := consent.get("categoryPreferences"), dict):
        return Preferences(named)
    management = context.get("consentManagement")
    return _managed(management) if isinstance(management, dict) else None


def _managed(management: Mapping[str, Any]) -> Preferences | None:
    """The allowed ids without the denied ones; with denied ids alone, all other categories are given."""
    allowed, denied = management.get("allowedConsentIds"), management.get("deniedConsentIds")
    has_allowed, has_denied = isinstance(allowed, list | dict), isinstance(denied, list)
    if not (has_allowed or has_denied):
        return None
    named = dict.fromkeys(_texts(allowed), True) | dict.fromkeys(_texts(denied) if has_denied else (), False)
    return Preferences(named, others=not has_allowed)


def _texts(ids: Any) -> Iterator[str]:
    """The ids of a list, or of all lists of an object (as Ketch sends them), without those that are empty or no text."""
    lists = ids.values() if isinstance(ids, dict) else (ids,)
    for one in lists:
        if isinstance(one, list):
            yield from (id for id in one if isinstance(id, str) and id)
