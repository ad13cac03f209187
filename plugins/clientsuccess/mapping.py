"""Segment's calls in ClientSuccess' words: who the user and their company are, what happened and when. All pure."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

from router.plugin import JSON, Context, Event, Reject, Skip, as_number, as_text

MAX_ID = 200
MAX_TEXT = 255
MAX_CUSTOM_BYTES = 8192

NAME_TRAITS = frozenset({"firstName", "first_name", "lastName", "last_name", "name", "email"})
EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")


# ---------------------------------------------------------------- who: company and user


def user_id(event: Event) -> str:
    """The event's userId as it goes out, an e-mail address in lower case, if it can be one at ClientSuccess. An id is never
    cut: it would become somebody else's."""
    if not event.user_id:
        raise Skip("no_user_id")
    sent = event.user_id.lower() if EMAIL.fullmatch(event.user_id) else event.user_id
    if len(sent) > MAX_ID:  # lower case can be longer
        raise Reject("invalid_id", f"the userId has more than {MAX_ID} characters")
    return sent


def organization(event: Event, context: Context) -> dict[str, JSON]:
    """`identity.organization`: the company's id and name, both demanded by the vendor."""
    if context.group is None:
        raise Reject("group_unknown", "the event has no group")
    if not 0 < len(context.group.id) <= MAX_ID:
        raise Reject("invalid_id", f"the groupId has more than {MAX_ID} characters")
    name = as_text(context.group.traits.get("name"))
    if name is None:
        raise Reject("invalid_group_name", "the group's name is neither text nor a number")
    return {"id": context.group.id, "name": name}


def user(event: Event, context: Context, send_custom: bool) -> dict[str, JSON]:
    """`identity.user`: id, name and e-mail, and the remaining traits as `custom`. What is not known is left out."""
    who = user_id(event)
    traits = context.user.traits if context.user else {}
    first = as_text(traits.get("firstName")) or as_text(traits.get("first_name"))
    last = as_text(traits.get("lastName")) or as_text(traits.get("last_name"))
    name = " ".join(part for part in (first, last) if part) or as_text(traits.get("name"))
    email = traits.get("email")
    email = (email.strip() if isinstance(email, str) else "") or (who if EMAIL.fullmatch(who) else "")
    fields = {
        "id": who,
        "name": name[:MAX_TEXT] if name else None,
        "first_name": first,
        "last_name": last,
        "email": email.lower() or None,
        "custom": custom_traits(traits, context) if send_custom else None,
    }
    return {field: found for field, found in fields.items() if found is not None}


def custom_traits(traits: Mapping[str, JSON], context: Context) -> dict[str, JSON] | None:
    """All traits that have no field of their own, unchanged; None when there are none or they are too large."""
    custom = {name: trait for name, trait in traits.items() if name not in NAME_TRAITS}
    if not custom:
        return None
    try:
        size = len(json.dumps(custom, ensure_ascii=False, separators=(",", ":")).encode())
    except (ValueError, RecursionError):
        context.warn("custom_traits_dropped")
        return None
    if size > MAX_CUSTOM_BYTES:
        context.warn("custom_traits_dropped", bytes=size)
        return None
    return custom


# ---------------------------------------------------------------- what: name, value, time


def event_name(name: str | None) -> str:
    """The name as the vendor gets it. `.` and `..` cannot be sent: in a URL they are steps from directory to directory."""
    clean = re.sub(r"[\x00-\x1f\x7f-\x9f]+", " ", name or "").strip()[:MAX_TEXT]
    if clean in ("", ".", ".."):
        raise Reject("invalid_event_name", repr(clean))
    return clean


def page_name(event: Event) -> str:
    """`Viewed {category} {name} Page`, without the part that is missing."""
    parts = [
        as_text(event.category) or as_text(event.properties.get("category")),
        as_text(event.name) or as_text(event.properties.get("name")),
    ]
    known = [part for part in parts if part]
    return f"Viewed {' '.join(known)} Page" if known else "Loaded a Page"


def value(properties: Mapping[str, JSON]) -> int | float:
    """What the vendor adds up: `csValue`, else `value`, else 1 for each event."""
    for name in ("csValue", "value"):
        found = as_number(properties.get(name))
        if found is not None:
            return found
    return 1
