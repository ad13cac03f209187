"""A code as a sentence, with the words of the event in it. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from router.explain.reasons import TABLES, Reason, reason_of


def words_of(table: Mapping[str, Reason], code: str) -> str:
    """The sentence for a code. A plugin's own code is shown as it is."""
    return table[code].sentence if code in table else code


def filled(table: Mapping[str, Reason], reason: str, event: Mapping[str, Any]) -> str:
    """The same with the event's own words in it."""
    if reason not in table:
        return reason
    detail = event.get("detail")
    title = f'the filter "{detail}"' if detail else "one of its `filters`"
    lacking = f": {detail}" if detail else ""
    type = event.get("type") or "these"
    return table[reason].sentence.format(type=type, source=event.get("source"), filter=title, lacking=lacking)


def of_reason(state: str, reason: str, event: Mapping[str, Any]) -> str:
    """What a reason means for this event: its own type, source and filter in place of the table's gaps."""
    table = TABLES.get(state, {})
    return filled(table, reason, event) if reason in table else reason_of(state, reason).sentence


def trouble(reason: str) -> str:
    """Why an attempt failed."""
    return reason_of("retrying", reason).sentence


def waiting(reason: str, user: str | None, group_id: str | None) -> str:
    """What a held lane waits for. user: None where the reader sees whose lane it is."""
    if reason == "group_unknown":
        return f"a group call for {user}" if user else "a group call"
    trait = reason.removeprefix("group_").removesuffix("_unknown")
    return f"the {trait} of " + (f"group {group_id}" if group_id else f"the group of {user}" if user else "the group")


NOBODY = "(forgotten)"
"""Stands for whom an event belonged to, where they were forgotten."""


def user_of(event: Mapping[str, Any]) -> str:
    """The event's user as operators write it."""
    if event.get("forgotten"):
        return NOBODY
    if event.get("user_id"):
        return f"user:{event['user_id']}"
    return f"anonymous:{event['anonymous_id']}" if event.get("anonymous_id") else "its group"
