"""Kinds of violations of tracking plans, as they are counted and told. Pure: each store keeps its own rows, bounded in number.

Names of events and fields come from senders, so nothing here may grow with them without end.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from router.clock import to_iso
from router.event import Call

KEPT = 10_000
"""Rows; beyond them those go that were met longest ago."""
KINDS_AT_ONCE = 1_000
"""Different violations that one transaction writes; what is beyond is not counted here."""
KEPT_IDS = 5
MAX_NAME = 200
"""Characters of an event's name."""
PAGE = 1_000

Kind = tuple[str, str, str, str]
"""Source, event, type and field."""


class Met(msgspec.Struct):
    """One kind of violation in one transaction."""

    description: str
    first: int
    last: int = 0
    n: int = 0
    ids: list[str] = []


def met_in(calls: Iterable[tuple[Call, int]]) -> dict[Kind, Met]:
    """What the plans say of these calls, each with its position. Duplicates have none, and are left out."""
    met: dict[Kind, Met] = {}
    for call, pos in calls:
        if call.noted is None or not pos:
            continue
        for violation in call.noted.verdict.violations:
            kind = call.source, call.noted.event[:MAX_NAME], violation.type, violation.field
            found = met.get(kind)
            if found is None:
                if len(met) >= KINDS_AT_ONCE:
                    continue
                found = met[kind] = Met(violation.description, call.received_at)
            found.n += 1
            found.last = call.received_at
            found.ids = [*found.ids, call.message_id][-KEPT_IDS:]
    return met


def kind_told(
    kind: Kind, description: str, n: int, first: int, last: int, message_ids: Sequence[str]
) -> dict[str, Any]:
    """A kind as reports tell it."""
    source, event, type, field = kind
    return {
        "source": source,
        "event": event,
        "type": type,
        "field": field,
        "description": description,
        "count": n,
        "first": to_iso(first),
        "last": to_iso(last),
        "message_ids": list(message_ids),
    }
