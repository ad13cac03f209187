"""The one table of reasons: what a code means, why it comes about, who acts, and what the next step is.

`why`, `status`, the console and the docs take their words from here. A plugin may give reasons of its own: those are shown as given.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import NamedTuple


class Actor(StrEnum):
    """Who can do something about it."""

    NOBODY = "nobody"
    OPERATOR = "whoever operates the router"
    SENDER = "the developers of the app that sends"
    VENDOR = "the vendor"
    AUTHOR = "the author of the plugin"


class Reason(NamedTuple):
    """What one code means."""

    sentence: str  #: ends a sentence such as "filtered at 10:00: ..."; may have {type}, {source}, {filter}, {lacking}
    cause: str
    actor: Actor
    next_step: str


NONE = "nothing to do"
MISSING = "missing_"
"""With the name of a field: a plugin says that the event has nothing there."""

DELIVERED = {
    "": Reason("the destination said yes", "the destination took it", Actor.NOBODY, "if the tool does not show it, look in the tool"),
    "dry_run": Reason(
        "dry run: nothing was sent", "the destination is in dry-run mode", Actor.OPERATOR, 'set mode = "live" in config.toml'
    ),
    "replayed": Reason("sent again by a replay", "an operator replayed it", Actor.NOBODY, NONE),
}  # fmt: skip
SKIPPED = {
    "unsupported": Reason(
        "its plugin has no use for {type} calls as configured",
        "the destination cannot take this type of call",
        Actor.NOBODY,
        NONE,
    ),
    "no_user_id": Reason(
        "it needs a userId, and this call has none",
        "the visitor was not identified yet",
        Actor.SENDER,
        "call identify with a userId before, or accept that anonymous events do not reach this destination",
    ),
    "remembered": Reason(
        "nothing to send: what it says is remembered and goes along with later events",
        "the destination has no place for traits alone",
        Actor.NOBODY,
        NONE,
    ),
    "empty": Reason(
        "its plugin found nothing to send in this {type} call",
        "the fields that the plugin sends are missing or empty",
        Actor.OPERATOR,
        "compare the call with `What arrives` of the destination's page; `try --event FILE` shows what the plugin makes of a call",
    ),
    "no_products": Reason(
        "its `properties.products` has no product that can be sent",
        "the list is missing or empty, or each product lacks an id or a price",
        Actor.SENDER,
        "send `properties.products` as a list, each product with an id and a price",
    ),
    "no_traits": Reason(
        "its `traits` have nothing that can be sent",
        "the traits are missing or empty, or none of them has a form that the vendor takes",
        Actor.SENDER,
        "send traits in the call, in the form that the destination's page names",
    ),
}
FILTERED = {
    "disabled": Reason(
        "the destination is disabled in config.toml",
        "enabled = false when it was accepted",
        Actor.OPERATOR,
        "enable the destination, then replay the time it was disabled",
    ),
    "source": Reason(
        "source {source} is not connected to it (`sources` in config.toml)",
        "the destination takes events of other sources only",
        Actor.OPERATOR,
        "add the source to `sources` of the destination, then replay",
    ),
    "integrations": Reason(
        "the event's own `integrations` leave this destination out",
        "the app that sends asked for it",
        Actor.SENDER,
        "change `integrations` in the call, or in the settings of the SDK",
    ),
    "consent": Reason(
        "its user has not given a consent that this destination needs{lacking}",
        "the event says so itself",
        Actor.NOBODY,
        "nothing to do: it must not be sent",
    ),
    "consent_missing": Reason(
        "it says nothing of consent, and this destination needs it (`consent_missing` in config.toml)",
        "the app sends no context.consent",
        Actor.SENDER,
        "send context.consent.categoryPreferences with each call, or set consent_missing",
    ),
    "consent_withdrawn": Reason(
        "while it waited, its user withdrew a consent that this destination needs{lacking}",
        "a later call of the user denies the category",
        Actor.NOBODY,
        "nothing to do: it must not be sent",
    ),
    "filter": Reason(
        "the destination's `filter` is not true for it",
        "the filter of the destination keeps it back",
        Actor.OPERATOR,
        "if it should go, change `filter`, reload, and replay",
    ),
    "event_name": Reason(
        "`event_names` in the destination's mapping drops events of this name",
        "the mapping drops this event name",
        Actor.OPERATOR,
        "if it should go, change `event_names`, reload, and replay",
    ),
    "filter_drop": Reason(
        "{filter} drops it",
        "one of the destination's `filters` drops it",
        Actor.OPERATOR,
        "if it should go, change that filter, reload, and replay",
    ),
    "filter_sample": Reason(
        "it is not in the share that {filter} lets through",
        "one of the destination's `filters` samples events",
        Actor.OPERATOR,
        "if it should go, raise the percent of that filter, reload, and replay",
    ),
    "plan": Reason(
        "the tracking plan of its source blocks it",
        "the event does not fit the tracking plan",
        Actor.SENDER,
        "send the event as the plan says, or correct the plan, reload, and replay",
    ),
}
HELD = {
    "group_unknown": Reason(
        "it waits for a group call of its user",
        "no group call of this user has come, or it does not count here (`held` names it)",
        Actor.SENDER,
        "send a group call for this user, or release by hand on behalf of a group",
    ),
    "group_name_unknown": Reason(
        "it waits for the name of the group",
        "the group call gave no traits.name",
        Actor.SENDER,
        "send the group call with traits.name, or release by hand with a name",
    ),
}
QUEUED = {
    "in_flight": Reason("it waits for its turn or for the vendor's answer", "it is on its way", Actor.NOBODY, NONE),
    "paused": Reason(
        "it waits, since its destination is paused",
        "the destination is paused",
        Actor.OPERATOR,
        "look why the destination is paused, and end that",
    ),
    "breaker_open": Reason(
        "it waits, since its destination failed again and again and is only probed",
        "requests to the destination fail",
        Actor.VENDOR,
        "look why the requests fail; it goes on by itself",
    ),
    "disabled": Reason(
        "it waits, since its destination is disabled",
        "the destination is disabled in config.toml",
        Actor.OPERATOR,
        "enable the destination",
    ),
    "behind_lane": Reason(
        "an earlier event of the same user comes first",
        "events of one user go out in order",
        Actor.NOBODY,
        "look at the earlier event",
    ),
    "released": Reason(
        "its group is known, so it was released; it goes out in its turn", "the group call came", Actor.NOBODY, NONE
    ),
}
RETRYING = {
    "timeout": Reason(
        "the vendor did not answer in time", "the vendor is slow, or not reached", Actor.VENDOR, "it is tried again"
    ),
    "connection": Reason(
        "the connection to the vendor failed",
        "the vendor is down, or the network is in between",
        Actor.VENDOR,
        "it is tried again; if it lasts, check the network of this machine",
    ),
    "not_http": Reason(
        "the vendor's answer was not HTTP",
        "something other than the vendor answers at this address",
        Actor.OPERATOR,
        "check the address of the destination and proxies in between",
    ),
    "dns": Reason(
        "the vendor's address was not found",
        "the host name is wrong, or the name server does not answer",
        Actor.OPERATOR,
        "check the address of the destination and the name server of this machine",
    ),
    "tls": Reason(
        "no secure connection to the vendor could be made",
        "the certificate is not trusted or not valid",
        Actor.OPERATOR,
        "check the address, the clock and the certificates of this machine",
    ),
}
DEAD = {
    "rejected": Reason(
        "the vendor refused it",
        "the vendor says that this event is wrong, or that the key may not send it",
        Actor.OPERATOR,
        "read the vendor's words; correct the mapping, or the key or right that they name; then replay",
    ),
    "plugin_error": Reason(
        "the plugin failed on it",
        "the plugin raised an exception",
        Actor.AUTHOR,
        "correct the plugin: the dead letter has the traceback; after an update, replay",
    ),
    "item_too_large": Reason(
        "its plugin made too much of it",
        "the items that the plugin returned for it are more than the router keeps of one event",
        Actor.AUTHOR,
        "tell the author of the plugin to return less for one event; after an update, replay",
    ),
    "expired": Reason(
        "it was tried for as long as `max_age` allows",
        "the vendor failed for the whole time",
        Actor.OPERATOR,
        "once the vendor works again, replay",
    ),
    "hold_expired": Reason(
        "its group did not become known in time",
        "no group call came within hold.max_age",
        Actor.SENDER,
        "send the group call, then replay",
    ),
    "hold_full": Reason(
        "too much is held already",
        "hold.max_per_user or the size of the store was reached",
        Actor.OPERATOR,
        "send the group calls, or raise the limits of hold, then replay",
    ),
    "dropped": Reason("dropped by hand", "an operator dropped it", Actor.NOBODY, NONE),
    "forgotten": Reason("its person or group was forgotten", "somebody asked to forget them", Actor.NOBODY, NONE),
    "abandoned": Reason(
        "it was trimmed while this destination was removed",
        "the destination was not configured for longer than the log is kept",
        Actor.NOBODY,
        NONE,
    ),
    "lost": Reason(
        "the store has a row for it and not the event itself",
        "the store was damaged, or changed by another program",
        Actor.OPERATOR,
        "look at the disk of the store; `doctor` checks it",
    ),
    "invalid_id": Reason(
        "its id cannot be one at the vendor",
        "the vendor does not take such an id",
        Actor.SENDER,
        "send an id that the vendor takes",
    ),
    "too_large": Reason(
        "it is too large for the vendor",
        "the vendor takes no event of this size",
        Actor.SENDER,
        "send less in one event",
    ),
}
PAUSED = {
    "by_hand": Reason("paused by an operator", "somebody paused it", Actor.OPERATOR, "resume it"),
    "retry_after": Reason(
        "paused because the vendor asked for it",
        "the vendor asked us to wait",
        Actor.NOBODY,
        "nothing to do: it goes on by itself",
    ),
    "credentials": Reason(
        "paused because the vendor refused our key",
        "the key is wrong, expired, or lacks a right",
        Actor.OPERATOR,
        "correct the key and reload",
    ),
    "set_up": Reason(
        "paused because its set-up is wrong",
        "the vendor or the plugin says that the settings are wrong",
        Actor.OPERATOR,
        "correct the settings and reload",
    ),
    "internal": Reason(
        "paused after a fault of the router itself, and its log has the reason",
        "a fault of the router",
        Actor.OPERATOR,
        "look at the log, resume it, and report the fault",
    ),
    "slow_hooks": Reason(
        "paused because its plugin held up all other destinations",
        "the plugin computes too long in the event loop",
        Actor.OPERATOR,
        'set isolation = "thread", reload, and tell the author of the plugin',
    ),
    "hook_held": Reason(
        "stopped by its plugin, which holds its thread",
        "a hook of the plugin does not return",
        Actor.OPERATOR,
        "disable the destination, or install a plugin that is corrected, then reload",
    ),
}

TABLES: Mapping[str, Mapping[str, Reason]] = {
    "delivered": DELIVERED,
    "skipped": SKIPPED,
    "filtered": FILTERED,
    "held": HELD,
    "queued": QUEUED,
    "retrying": RETRYING,
    "dead": DEAD,
    "paused": PAUSED,
}
"""By state: of an event at a destination, or of a destination (`paused`)."""


def reason_of(state: str, code: str) -> Reason:
    """What a code means in a state. A plugin's own code, or a status, gets the words that fit all such codes."""
    known = TABLES.get(state, {}).get(code)
    if known is not None:
        return known
    if state in ("retrying", "breaker_open"):
        return _of_an_attempt(code)
    if state == "held":
        return _of_a_trait(code)
    if state == "skipped" and code.startswith(MISSING):
        return _of_a_field(code.removeprefix(MISSING))
    return Reason(code, "the plugin of the destination says so", Actor.OPERATOR, "the plugin's own page explains it")


def all_reasons() -> Iterator[tuple[str, str, Reason]]:
    """Every row of the table: state, code, meaning."""
    for state, table in TABLES.items():
        for code, reason in table.items():
            yield state, code, reason


def _of_an_attempt(code: str) -> Reason:
    if code in RETRYING:
        return RETRYING[code]
    words = f"the vendor answered with status {code.removeprefix('status_')}" if code.startswith("status_") else code
    return Reason(words, "the vendor could not take it for now", Actor.VENDOR, "it is tried again")


def _of_a_trait(code: str) -> Reason:
    trait = code.removeprefix("group_").removesuffix("_unknown")
    return Reason(
        f"it waits for the {trait} of the group",
        f"the group call gave no traits.{trait}",
        Actor.SENDER,
        f"send the group call with traits.{trait}, or release by hand",
    )


def _of_a_field(name: str) -> Reason:
    return Reason(
        f"it has no `{name}`, and this destination needs it",
        f"`{name}` is missing or blank in the call",
        Actor.SENDER,
        f"send `{name}` with the call, or change the settings of the destination that ask for it",
    )
