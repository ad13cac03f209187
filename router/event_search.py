"""What an operator types to look for events, as a filter: the words of `events` and of `GET /api/events`."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from router.config.units import parse_given_instant
from router.event import TYPES, parse_user
from router.store import EventQuery
from router.vocabulary import EventState

KEYS = ("user", "company", "type", "name", "source", "state", "reason", "since")
LIMIT, MAX_LIMIT = 20, 500
"""So many events, unless the asker says how many; and at most."""


def parse_filter(given: Mapping[str, str], destinations: Collection[str], now_ms: int) -> EventQuery:
    """The filter of these words, by KEYS; empty ones count as absent. Raises ValueError with the words that a person reads."""
    words = {key: value for key in KEYS if (value := given.get(key))}
    if (type_ := words.get("type")) and type_ not in TYPES:
        raise ValueError(f"type: {type_!r} is none of {', '.join(sorted(TYPES))}")
    state, _, destination = words.get("state", "").lower().partition("@")
    if "state" in words and state not in list(EventState):
        raise ValueError(
            f"state: {state!r} is no state of an event; write one of {', '.join(EventState)}, alone or with @DESTINATION"
        )
    if destination and destination not in destinations:
        raise ValueError(
            f"state: there is no destination {destination!r} (configured: {', '.join(destinations) or 'none'})"
        )
    return EventQuery(
        user_key=parse_user(words["user"]) if "user" in words else None,
        group_id=words.get("company"),
        type=type_,
        name=words.get("name"),
        source=words.get("source"),
        state=state or None,
        destination=destination or None,
        since=parse_since(words.get("since", ""), now_ms),
        reason=words.get("reason"),
    )


def parse_limit(text: str) -> int:
    """How many events. Raises ValueError."""
    if not text:
        return LIMIT
    if not (text.isascii() and text.isdecimal() and 1 <= int(text[:9]) <= MAX_LIMIT):
        raise ValueError(f"limit: a number from 1 to {MAX_LIMIT}")
    return int(text)


def parse_since(text: str, now_ms: int) -> int:
    """From when on, in ms since 1970; 0 for an empty text. Raises ValueError."""
    return parse_given_instant("since", text, now_ms) or 0
