"""Calls of people who are suppressed: answered 200, counted, and kept nowhere. Nothing of them but source, type and time is left."""

from __future__ import annotations

import re
from collections.abc import Sequence

import msgspec

from router.event import Call, Discard, coerce_id
from router.store import Suppressions

CODE = "suppressed"
MESSAGE = "the person is suppressed"
IDS = re.compile(r'"(userId|anonymousId)"\s*:\s*("(?:[^"\\]|\\.)*"|-?\d+)')
KINDS = {"userId": "u:", "anonymousId": "a:"}


def without_suppressed(
    calls: list[Call], discards: list[Discard], suppressions: Suppressions
) -> tuple[list[Call], list[Discard]]:
    """The calls that may be stored, and the discards with those that may not. A discard for another reason whose excerpt names a
    suppressed person, or may name one where it is cut or escaped, loses its words."""
    if not suppressions:
        return calls, discards
    theirs = {key for key in {call.user_key for call in calls} if key in suppressions}  # most batches are of one person
    kept = [call for call in calls if call.user_key not in theirs]
    refused = [
        Discard(call.source, call.received_at, CODE, MESSAGE, type=call.type)
        for call in calls
        if call.user_key in theirs
    ]
    return kept, [*(_without_words(discard, suppressions) for discard in discards), *refused]


def _without_words(discard: Discard, suppressions: Suppressions) -> Discard:
    # Its ids may be in what is missing, or spelled with escapes.
    is_unsure = discard.excerpt.endswith("…") or "\\u" in discard.excerpt
    if not is_unsure and not any(key in suppressions for key in _keys_in(discard.excerpt)):
        return discard
    return msgspec.structs.replace(discard, message_id="", excerpt="")


def _keys_in(excerpt: str) -> Sequence[str]:
    """The user keys that a call names, as far as its beginning tells."""
    found = []
    for name, value in IDS.findall(excerpt):
        try:
            id_ = coerce_id(msgspec.json.decode(value))
        except msgspec.DecodeError:
            continue
        if id_ is not None:
            found.append(KINDS[name] + id_)
    return found
