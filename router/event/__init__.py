"""What is accepted, and how it is read again.

`keys` has the ids, `envelope` what is stored of a call, `judged` the verdict of a tracking plan in it, `normalize` makes an event of it, `timestamps` corrects its instants,
`notes` says what was mended on the way.
"""

from router.event.envelope import HAS_PROPERTIES, HAS_TRAITS, TYPES, Call, Discard, Envelope, Noted, decode_json
from router.event.judged import (
    TOLD_ID,
    VIOLATIONS_USER,
    is_blocked,
    is_forwarded,
    made_call,
    tells_nothing,
    verdict_of,
    with_verdict,
    without_told_id,
)
from router.event.keys import coerce_id, parse_user, show_user_key
from router.event.normalize import normalize_event, options_for
from router.event.notes import Note, Notes
from router.event.timestamps import LONGEST_INSTANT, show_instant

__all__ = [
    "HAS_PROPERTIES",
    "HAS_TRAITS",
    "LONGEST_INSTANT",
    "TOLD_ID",
    "TYPES",
    "VIOLATIONS_USER",
    "Call",
    "Discard",
    "Envelope",
    "Note",
    "Noted",
    "Notes",
    "coerce_id",
    "decode_json",
    "is_blocked",
    "is_forwarded",
    "made_call",
    "normalize_event",
    "options_for",
    "parse_user",
    "show_instant",
    "show_user_key",
    "tells_nothing",
    "verdict_of",
    "with_verdict",
    "without_told_id",
]
