"""What a replay or a drop of dead letters is asked for: read from words, and checked. The JSON API and the console give the same words."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from router.admin.daemon_port import DaemonPort
from router.admin.json_io import instant
from router.deliver.runner import ReplayOrder
from router.errors import CommandRefused
from router.store import DeadLetterFilter
from router.vocabulary import FOREVER_MS

KEYS = frozenset({"dead", "reason", "since", "until", "message_id", "source", "count_only", "filtered"})
OF_LETTERS = KEYS - {"dead", "count_only", "filtered"}
TEXTS = ("reason", "since", "until", "message_id", "source")


def check_words(given: Mapping[str, Any], keys: Collection[str]) -> None:
    """Raises CommandRefused `invalid_request` for a key that is none of these, or one that is no text."""
    if unknown := sorted(set(given) - set(keys)):
        raise CommandRefused("invalid_request", f"unknown: {', '.join(unknown)}; known: {', '.join(sorted(keys))}")
    for key in TEXTS:
        if given.get(key) is not None and not (isinstance(given[key], str) and given[key]):
            raise CommandRefused("invalid_request", f"`{key}` must be text")


async def order_of(daemon: DaemonPort, given: Mapping[str, Any]) -> ReplayOrder:
    """What is to be sent again: one message, dead letters, or a span of time. Raises CommandRefused `invalid_request`, `not_found`."""
    check_words(given, KEYS)
    count_only = given.get("count_only") is True
    if given.get("filtered") and (given.get("dead") or given.get("message_id") is not None):
        raise CommandRefused(
            "invalid_request", '`filtered` chooses among what was accepted in a time: only with "since"'
        )
    if given.get("message_id") is not None:
        pos = await position_of(daemon, given)
        call = await daemon.store.queries.stored_call(given["message_id"], given.get("source"))
        return ReplayOrder(pos, "" if call is None else call.user_key, count_only=count_only)
    if given.get("dead") is True:
        return ReplayOrder(letters=letters_of(given, daemon.now_ms), count_only=count_only)
    if given.get("since") is None:
        words = 'say what: {"dead": true}, {"since": "2026-01-31T10:00:00Z"} or {"message_id": "..."}'
        raise CommandRefused("invalid_request", words)
    if given.get("reason") is not None:
        raise CommandRefused("invalid_request", '`reason` chooses among dead letters: add "dead": true')
    which, filtered = letters_of(given, daemon.now_ms), given.get("filtered") is True
    return ReplayOrder(since_ms=which.since, until_ms=which.until, count_only=count_only, filtered=filtered)


async def position_of(daemon: DaemonPort, given: Mapping[str, Any]) -> int | None:
    """The position of the named message; None where none is named. Raises CommandRefused `not_found` for an unknown one."""
    message_id = given.get("message_id")
    if message_id is None:
        return None
    pos = await daemon.store.queries.position(message_id, given.get("source"))
    if pos is None:
        raise CommandRefused("not_found", f"no message {message_id!r} is known")
    return pos


def letters_of(given: Mapping[str, Any], now_ms: int) -> DeadLetterFilter:
    """Which dead letters. Raises CommandRefused `invalid_request`."""
    since, until = (instant(key, given.get(key), now_ms) for key in ("since", "until"))
    if since is not None and until is not None and until <= since:
        raise CommandRefused("invalid_request", "`until` must be later than `since`")
    return DeadLetterFilter(given.get("reason") or None, since or 0, FOREVER_MS if until is None else until)
