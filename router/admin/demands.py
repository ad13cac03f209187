"""A demand to forget people or groups, or to suppress people, as Segment's Public API writes one: read, and checked."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import Any, NamedTuple

from router.errors import CommandRefused
from router.event import coerce_id
from router.ingest.limits import MAX_PEOPLE
from router.store import Demand

KEYS = {"regulationType", "subjectType", "subjectIds", "anonymousIds", "preview"}
PREFIX = {"USER_ID": "u:", "ANONYMOUS_ID": "a:", "GROUP_ID": "g:"}
"""By subjectType. Segment has no GROUP_ID."""


class Kind(NamedTuple):
    """What a regulationType means here."""

    deletes: bool = False
    suppresses: bool = False
    unsuppresses: bool = False
    asks_tools: bool = False  #: the destinations are asked to delete, too


KINDS = {
    "SUPPRESS_ONLY": Kind(suppresses=True),
    "UNSUPPRESS": Kind(unsuppresses=True),
    "DELETE_ONLY": Kind(deletes=True, asks_tools=True),
    "SUPPRESS_WITH_DELETE": Kind(deletes=True, suppresses=True, asks_tools=True),
    "DELETE_INTERNAL": Kind(deletes=True),
    "DELETE_ARCHIVE_ONLY": Kind(deletes=True),
    "SUPPRESS_WITH_DELETE_INTERNAL": Kind(deletes=True, suppresses=True),
}


def demand_of(body: Mapping[str, Any], destinations: tuple[str, ...]) -> Demand:
    """What a body asks for. `destinations`: all there are. Raises CommandRefused for what is wrong with it."""
    if unknown := sorted(set(body) - KEYS):
        raise _invalid(f"unknown: {', '.join(unknown)}; known: {', '.join(sorted(KEYS))}")
    kind, subject_type = body.get("regulationType"), body.get("subjectType")
    if not isinstance(kind, str) or kind not in KINDS:
        raise _invalid(f"`regulationType` must be one of {', '.join(KINDS)}")
    if not isinstance(subject_type, str) or subject_type not in PREFIX:
        raise _invalid(f"`subjectType` must be one of {', '.join(PREFIX)}; objects are not kept here")
    prefix = PREFIX[subject_type]
    subjects = [prefix + one for one in _ids(body, "subjectIds")]
    if not 0 < len(subjects) <= MAX_PEOPLE:
        raise _invalid(f"`subjectIds` must have 1 to {MAX_PEOPLE} ids")
    also = ["a:" + one for one in _ids(body, "anonymousIds")]
    if also and (len(subjects) > 1 or prefix != "u:"):
        raise _invalid("`anonymousIds` belong to one person: give one USER_ID with them")
    meant = KINDS[kind]
    if prefix == "g:" and not (meant.deletes and not meant.suppresses):
        kinds = ", ".join(name for name, one in KINDS.items() if one.deletes and not one.suppresses)
        raise _invalid(f"a GROUP_ID can be forgotten only, since its calls are those of people: use {kinds}")
    return Demand(
        f"reg_{secrets.token_hex(8)}",
        kind,
        subject_type,
        tuple(dict.fromkeys(subjects)),
        tuple(also),
        deletes=meant.deletes,
        suppresses=meant.suppresses,
        unsuppresses=meant.unsuppresses,
        tools=destinations if meant.asks_tools else (),
    )


def _ids(body: Mapping[str, Any], key: str) -> list[str]:
    given = body.get(key, [])
    ids = [coerce_id(one) for one in given] if isinstance(given, list) else [None]
    if None in ids:
        raise _invalid(f"`{key}` must be a list of ids: texts or numbers, none of them empty")
    return [one for one in ids if one is not None]


def _invalid(words: str) -> CommandRefused:
    return CommandRefused("invalid_request", words)
