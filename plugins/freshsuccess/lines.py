"""Ids, and the lines of the Event API.

The vendor's field list comes from public clients which disagree on its style: it stands in one table here.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from plugins.freshsuccess import mapping
from router.plugin import JSON, Context, Event, Item, Reject, Skip

EVENTS = "events"
"""The kind of items that are lines of the Event API."""

CAMEL_KEYS = {
    "account_id": "accountId",
    "user_id": "userId",
    "created_at": "createdAt",
    "session_id": "sessionId",
    "time_spent": "timeSpent",
    "active_duration": "activeDuration",
}
"""The keys of an event line that `event_key_style = "camel"` spells differently."""

MAX_ID = 255


def valid_id(given: str | None, what: str) -> str:
    """An id that can be one at Freshsuccess. It is never cut: it would become somebody else's."""
    if not given or len(given) > MAX_ID:
        raise Reject("invalid_id", f"a {what} has 1 to {MAX_ID} characters")
    return given


def valid_user(event: Event) -> str:
    """The event's userId; without one there is nothing to send."""
    if not event.user_id:
        raise Skip("no_user_id")
    return valid_id(event.user_id, "userId")


def account_of(event: Event, context: Context) -> str | None:
    """The account the call belongs to, None while it is not known."""
    account_id = context.group.id if context.group else event.group_id
    return None if account_id is None else valid_id(account_id, "groupId")


def moved(event: Event, context: Context) -> bool:
    """Whether this group call takes its user from another account."""
    return context.previous_group_id not in (None, event.group_id)


def feature(event: Event, context: Context, name: str | None) -> Item:
    """The line of a track call. Properties other than module and product have no place at the vendor."""
    shown = mapping.feature_name(name)
    places = {place: found for place in ("module", "product") if (found := mapping.words(event.properties.get(place)))}
    return own_line(event, context, "feature", feature=shown, **places, total=1)


def own_line(event: Event, context: Context, action: str, **fields: JSON) -> Item:
    """The line that a call itself becomes. The router shows the share of calls that have no account."""
    user, account = valid_user(event), account_of(event, context)
    if account is None:
        context.warn("no_account")
    return line(action, user, account, mapping.to_ms(event.original_timestamp), event.anonymous_id or user, fields)


def line(action: str, user: str, account: str | None, at_ms: int, session_id: str, fields: Mapping[str, JSON]) -> Item:
    """One line, in snake_case; `spelled` gives it the style that the settings ask for. No account: the key is left out."""
    known = {"user_id": user, "created_at": at_ms, "session_id": session_id, "action": action, **fields}
    return Item(known if account is None else {"account_id": account, **known}, EVENTS)


def spelled(body: Mapping[str, JSON], style: str) -> bytes:
    """A line as compact JSON, its keys in the given style."""
    named = {CAMEL_KEYS.get(key, key): value for key, value in body.items()} if style == "camel" else body
    return json.dumps(named, ensure_ascii=False, separators=(",", ":")).encode()
