"""States and reasons as sentences. Pure: what the admin API gives, in; what a person reads, out."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from router.cli.show import count, instant, span

SKIPPED = {
    "unsupported": "its plugin has no use for {type} calls as configured",
    "no_user_id": "it needs a userId, and this call has none",
    "remembered": "nothing to send: what it says is remembered and goes along with later events",
    "empty": "its plugin made nothing of it",
}
FILTERED = {
    "disabled": "the destination is disabled in config.toml",
    "source": "source {source} is not connected to it (`sources` in config.toml)",
    "integrations": "the event's own `integrations` leave this destination out",
    "filter": "the destination's `filter` leaves it out",
}
QUEUED = {
    "in_flight": "its turn comes, or its answer is awaited",
    "behind_lane": "an earlier event of the same user comes first",
}
RETRYING = {
    "timeout": "the vendor did not answer in time",
    "connection": "the connection to the vendor failed",
    "dns": "the vendor's address was not found",
    "tls": "no secure connection to the vendor came about",
}
DEAD = {
    "rejected": "the vendor refused it",
    "plugin_error": "the plugin failed on it",
    "expired": "it was tried for as long as `max_age` allows",
    "hold_expired": "its group did not become known in time",
    "hold_full": "too much is held already",
    "dropped": "dropped by hand",
    "abandoned": "it was trimmed while this destination was removed",
    "invalid_id": "its id cannot be one at the vendor",
}
STATES = {
    "by_hand": "paused by an operator; `resume` ends it",
    "retry_after": "paused because the vendor asked for it",
    "credentials": "paused because the vendor refused our key; nothing is lost, correct it and reload",
    "set_up": "paused because of its set-up; nothing is lost, correct it and reload",
    "internal": "paused after a fault of the router itself; its log has the reason",
}


def fate(told: Mapping[str, Any], event: Mapping[str, Any], waits: Mapping[str, Any] | None = None) -> str:
    """What became of an event at one destination, and why, as one sentence.

    Args:
        told: `{"state", "reason", "at", "attempts"}`, of a dead letter also `detail`.
        waits: for a held event, the row of `held` about its user.
    """
    state, reason = told["state"], told["reason"]
    at = instant(told["at"])
    match state:
        case "delivered" if reason == "dry_run":
            return f"dry run {at}: nothing was sent"
        case "delivered":
            return f"delivered {at}" + (f" ({reason})" if reason else "")
        case "held":
            return f"held since {at}: waits for {waiting(reason, user_of(event), (waits or {}).get('group_id'))}"
        case "skipped":
            return f"skipped {at}: {_filled(SKIPPED, reason, event)}"
        case "filtered":
            return f"filtered {at}: {_filled(FILTERED, reason, event)}"
        case "retrying":
            return f"retrying since {at}: {trouble(reason)}; tried again with growing waits"
        case "queued":
            return f"queued: {QUEUED.get(reason, reason or 'its turn comes')}"
        case "dead":
            why, detail = DEAD.get(reason, reason), told.get("detail")
            return f"dead since {at}: {why}" + (f": {detail}" if detail and detail != why else "")
    return f"{state} {at} {reason}".rstrip()


def checked(result: str, detail: str, reason: str) -> list[str]:
    """What came of a destination's check, as lines."""
    first, *more = detail.splitlines() or [""]
    match result:
        case "ok":
            lead = "check"
        case "no_check":
            lead = "check: none"
        case "secret_missing":
            lead = "check: not made"
        case _:
            lead = f"check: FAILED ({reason})"
    return [f"{lead}: {first}" if first else lead, *(f"    {line}" for line in more)]


def trial(type: str, told: Mapping[str, Any]) -> str:
    """What would become of a sample event of this type, as one sentence."""
    reason, detail = told["reason"], told["detail"]
    match told["outcome"]:
        case "deliver":
            n = len(told["requests"])
            return "would be sent" + (f", in {count(n, 'request')}" if n > 1 else "")
        case "skipped":
            return f"would be skipped: {_filled(SKIPPED, reason, {'type': type})}"
        case "filtered":
            return f"would be filtered: {_filled(FILTERED, reason, {'type': type})}"
        case "held":
            return f"would be held until there is {waiting(reason, 'its user', None)}"
        case "dead":
            return f"would be a dead letter: {DEAD.get(reason, reason)}" + (f": {detail}" if detail else "")
    return f"would be {told['outcome']}: {trouble(reason)}" + (f": {detail}" if detail else "")


def _filled(sentences: Mapping[str, str], reason: str, event: Mapping[str, Any]) -> str:
    """The sentence for a reason; a reason of the plugin's own stands for itself."""
    if reason not in sentences:
        return reason
    return sentences[reason].format(type=event.get("type") or "these", source=event.get("source"))


def waiting(reason: str, user: str, group_id: str | None) -> str:
    """What a held lane waits for."""
    if reason == "group_unknown":
        return f"a group call for {user}"
    trait = reason.removeprefix("group_").removesuffix("_unknown")
    return f"the {trait} of " + (f"group {group_id}" if group_id else f"the group of {user}")


def waits_of(name: str, waiting_for: Mapping[str, Mapping[str, Any]]) -> str | None:
    """What the held events of a destination wait for, in numbers; None where nothing is held."""
    if not waiting_for:
        return None
    parts = [
        f"{count(int(n['events']), 'event')} of {count(int(n['users']), 'user')} {'waits' if n['events'] == 1 else 'wait'} for {_need(reason)},"
        f" the oldest for {span(n['oldest_s'])}"
        for reason, n in waiting_for.items()
    ]
    return f"{name}: {'; '.join(parts)} (who: `held {name}`)"


def _need(reason: str) -> str:
    if reason == "group_unknown":
        return "a group call of theirs"
    return f"a group call with the {reason.removeprefix('group_').removesuffix('_unknown')} of their group"


def trouble(reason: str) -> str:
    """Why an attempt failed."""
    if reason.startswith("status_"):
        return f"the vendor answered with status {reason.removeprefix('status_')}"
    return RETRYING.get(reason, reason)


def user_of(event: Mapping[str, Any]) -> str:
    """The event's user as operators write it."""
    if event.get("user_id"):
        return f"user:{event['user_id']}"
    return f"anonymous:{event['anonymous_id']}" if event.get("anonymous_id") else "its group"


def attempt(tried: Mapping[str, Any]) -> str:
    """One try to send, as a line."""
    what = f"status {tried['status']}" if tried["status"] else tried["error"] or tried["reason"]
    words = f"; {tried['error']}" if tried["status"] and tried["error"] else ""
    return f"attempt {instant(tried['at'])}: {what} after {tried['duration_ms']} ms{words}"


def request_lines(shown: Mapping[str, Any]) -> list[str]:
    """The request that a dry run recorded, one line for the start, each header and the body."""
    if shown.get("private"):
        return ["(the plugin keeps this request private)"]
    if "url" not in shown:
        return [f"{key}: {_text(value)}" for key, value in shown.items()]
    headers = [f"{name}: {value}" for name, value in shown["headers"].items()]
    return [f"{shown['method']} {shown['url']}", *headers, *shown["body"].splitlines()]


def _text(value: Any) -> str:
    """A value as it is if it is text, else as JSON."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def trouble_of(name: str, counts: Mapping[str, Any]) -> str | None:
    """Why a destination does not simply run; None where it does."""
    state, reason = counts.get("state", "running"), counts.get("state_reason", "")
    if state == "running":
        return None
    if state == "stopped":
        last = {key: counts.get(f"last_{key}") for key in ("state", "state_reason", "state_since")}
        sentence = trouble_of(name, last)
        return sentence and f"last known: {sentence}"
    since = f", since {instant(counts.get('state_since'))}"
    if state == "paused":
        return f"{name} is {STATES.get(reason, f'paused ({reason})')}{since}"
    if state == "breaker_open":
        return f"{name} fails again and again ({trouble(reason)}): one probe at a time{since}"
    return f"{name} is disabled in config.toml" if state == "disabled" else f"{name}: {state} {reason}".rstrip()


def adds_up(name: str, total: int, accepted: int) -> str:
    """What the seven states of a destination add up to; fewer than all where it was added later."""
    if total == accepted:
        return f"{name}: the seven states add up to the {count(accepted, 'accepted event')}"
    before = f"{count(accepted - total, 'event')} came before"
    return f"{name}: the seven states add up to the {count(total, 'event')} accepted since it began; {before}"


def dry_runs(destinations: Mapping[str, Mapping[str, Any]]) -> str | None:
    """Who is not sent to, and how that ends; None where everybody is."""
    names = [
        name
        for name, counts in destinations.items()
        if counts.get("mode") == "dry-run" and counts["state"] != "disabled"
    ]
    return f'{", ".join(names)}: dry-run: nothing is sent; set mode = "live" in config.toml' if names else None


def dead_letter(row: Mapping[str, Any]) -> str:
    """Why an event is dead, in one line."""
    detail = str(row["detail"]).splitlines()
    return detail[-1][:120] if detail and detail[-1] else DEAD.get(row["reason"], row["reason"])


def replay(job: Mapping[str, Any]) -> str:
    """How far a replay is."""
    if job["state"] == "none":
        return "nothing was replayed yet"
    what = "dead letters" if job["dead"] else "events"
    chosen = f" since {instant(job['since'])}" if job["since"] else ""
    fed = f"{job['fed']} of {job['total']} {what}{chosen} are on their way or done"
    match job["state"]:
        case "running":
            return f"replay runs: {fed}, {job['per_second']} a second; {job['remaining']} to go"
        case "stopped":
            return f"replay was stopped {instant(job['ended_at'])}: {fed}"
    return f"replay ended {instant(job['ended_at'])}: {fed}"
