"""Consent: what an event says that its user agreed to, and whether that is enough for a destination. Pure.

preferences.py   reads both vocabularies: Segment's and RudderStack's
requirement.py   what a destination needs, and its answer for an event
update.py        the event that tells of changed preferences: what is wrong with it
"""

from router.consent.preferences import Preferences, read_preferences
from router.consent.requirement import CONSENT, MISSING, REASONS, WITHDRAWN, Need, Requirement, Withheld
from router.consent.update import UPDATED, fault_of

__all__ = [
    "CONSENT",
    "MISSING",
    "REASONS",
    "UPDATED",
    "WITHDRAWN",
    "Need",
    "Preferences",
    "Requirement",
    "Withheld",
    "fault_of",
    "read_preferences",
]
