"""What is accepted, and how it is read again.

`keys` has the ids, `envelope` what is stored of a call, `judged` the verdict of a tracking plan in it, `trace` the trace of its request, `normalize` makes an event of it, `timestamps` corrects its instants,
`groups` tells which groups it names, `library` what sent it, `notes` says what was mended on the way.
"""

from router.event.envelope import HAS_PROPERTIES, HAS_TRAITS, TYPES, Call, Discard, Envelope, Noted, decode_json
from router.event.groups import named_groups
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
from router.event.library import Library, library_of
from router.event.normalize import normalize_event, options_for
from router.event.notes import Note, Notes
from router.event.timestamps import LONGEST_INSTANT, show_instant
from router.event.trace import trace_of, with_trace

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
    "Library",
    "Note",
    "Noted",
    "Notes",
    "coerce_id",
    "decode_json",
    "is_blocked",
    "is_forwarded",
    "library_of",
    "made_call",
    "named_groups",
    "normalize_event",
    "options_for",
    "parse_user",
    "show_instant",
    "show_user_key",
    "tells_nothing",
    "trace_of",
    "verdict_of",
    "with_trace",
    "with_verdict",
    "without_told_id",
]
