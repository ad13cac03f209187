"""States and reasons as sentences. Pure: what the admin API gives, in; what a person reads, out."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from router.explain.figures import count, instant, span
from router.explain.reasons import DEAD, FILTERED, PAUSED, QUEUED, SKIPPED, TABLES, Reason, reason_of

MAX_DETAIL = 200


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
            sent = [one for one in told["attempts"] if one["reason"] == "replayed"]
            later = f" then; a replay sent it {instant(sent[-1]['at'])}" if sent else ""
            return f"dry run {at}: nothing was sent{later}"
        case "delivered":
            return f"delivered {at}" + (f" ({reason})" if reason else "")
        case "held":
            what = waiting(reason, user_of(event), (waits or {}).get("group_id"))
            call = told.get("group_call")
            return f"held since {at}: waits for {what}" + (f": {_on_its_way(call)}" if call else "")
        case "skipped":
            return f"skipped {at}: {filled(SKIPPED, reason, event)}"
        case "filtered":
            return f"filtered {at}: {filled(FILTERED, reason, {**event, 'detail': told.get('detail')})}"
        case "retrying":
            return f"retrying since {at}: {trouble(reason)}; {_next_attempt(told)}"
        case "queued":
            first = told.get("behind")
            return f"queued: {_words(QUEUED, reason) or 'its turn comes'}" + (
                f": {_on_its_way(first)}" if first else ""
            )
        case "dead":
            why, detail = _words(DEAD, reason), told.get("detail")
            return f"dead since {at}: {why}" + (f": {detail}" if detail and detail != why else "")
    return f"{state} {at} {reason}".rstrip()


def _next_attempt(told: Mapping[str, Any]) -> str:
    at = told.get("next_attempt_at")
    return f"next attempt {instant(at)}" if at else "tried again with growing waits"


def _on_its_way(told: Mapping[str, Any]) -> str:
    """An event that another one waits for."""
    named = told["message_id"] or "it"
    if told["state"] == "retrying":
        return f"{named} is retrying ({trouble(told['reason'])}; {_next_attempt(told)})"
    return f"{named} was accepted and is {told['state']}"


def timers_of(told: Mapping[str, Any], whose: str) -> str | None:
    """How many timers are set, and when the next is due; None where none is."""
    if not told.get("timers"):
        return None
    n, due = told["timers"], instant(told["next_timer_at"])
    return f"{whose}: {count(n, 'timer')} {'is' if n == 1 else 'are'} set, the next for {due}"


def filter_lines(told: Mapping[str, Any]) -> list[str]:
    """The expression that keeps an event back, and whether the configuration is another by now; nothing for other outcomes."""
    if "expression" not in told:
        words = "the consent that this destination needs was changed since; a replay decides by the current one"
        return [words] if told.get("changed") else []
    shown = " ".join(told["expression"].split())
    if told["reason"] == "event_name" and not told.get("changed"):
        return []
    if told.get("changed"):
        today = f"today's keep it back by: {shown}" if shown else "today's let it through, so a replay would send it"
        return [f"the filters were changed since; {today}"]
    return [f"filter: {shown}"]


def plan_lines(plan: Mapping[str, Any]) -> list[str]:
    """What the tracking plan of its source said of an event."""
    lines = [f"plan: {one['type']}: {one['field']}: {one['description']}" for one in plan.get("violations", ())]
    for key, why in (("omitted", "not in the plan"), ("omitted_on_violation", "a violation")):
        if plan.get(key):
            lines.append(f"plan: left out ({why}): {', '.join(plan[key])}")
    return lines


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
            return f"would be skipped: {filled(SKIPPED, reason, {'type': type})}"
        case "filtered":
            return f"would be filtered: {filled(FILTERED, reason, {'type': type})}"
        case "held":
            return f"would be held until there is {waiting(reason, 'its user', None)}"
        case "dead":
            return f"would be a dead letter: {_words(DEAD, reason)}" + (f": {detail}" if detail else "")
    return f"would be {told['outcome']}: {trouble(reason)}" + (f": {detail}" if detail else "")


def _words(table: Mapping[str, Reason], code: str) -> str:
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


def waiting(reason: str, user: str, group_id: str | None) -> str:
    """What a held lane waits for."""
    if reason == "group_unknown":
        return f"a group call for {user}"
    trait = reason.removeprefix("group_").removesuffix("_unknown")
    return f"the {trait} of " + (f"group {group_id}" if group_id else f"the group of {user}")


def refused(row: Mapping[str, Any]) -> str | None:
    """The group call that the vendor refused, where that is why a user waits."""
    call = row.get("refused")
    if not call:
        return None
    named = call["message_id"] or "of theirs"
    why = _words(DEAD, call["reason"])
    return (
        f"group call {named} does not count here ({why}, {instant(call['at'])}); the next one that is not refused does"
    )


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
    return reason_of("retrying", reason).sentence


NOBODY = "(forgotten)"
"""Stands for a person who was forgotten."""


def user_of(event: Mapping[str, Any]) -> str:
    """The event's user as operators write it."""
    if event.get("forgotten"):
        return NOBODY
    if event.get("user_id"):
        return f"user:{event['user_id']}"
    return f"anonymous:{event['anonymous_id']}" if event.get("anonymous_id") else "its group"


ERASED = {
    "events": "stored events", "waiting": "events that waited", "dead": "dead letters", "directory": "rows of the directory",
    "texts": "texts that named the person",
}  # fmt: skip
"""What a regulation counts, for people."""


def regulation(told: Mapping[str, Any]) -> list[str]:
    """A regulation, in lines."""
    first = f"{told['id']}: {told['regulationType']}, {told['overallStatus']}"
    erased = [f"    {n:,} {ERASED.get(name, name)}" for name, n in told["erased"].items()]
    lines = [first, *(["erased:", *erased] if erased else [])]
    if told["finishedAt"] and not erased and "DELETE" in told["regulationType"]:
        lines.append("nothing found")
    tools = [tool for stream in told["streamStatus"] for tool in stream["destinationStatus"]]
    lines += [
        f"{tool['name']}: {tool['status']}" + (f", {tool['errString']}" if tool["errString"] else "") for tool in tools
    ]
    return [*lines, *([told["note"]] if told["note"] else [])]


def attempt(tried: Mapping[str, Any]) -> str:
    """One try to send, as a line."""
    status, error, reason = tried["status"], tried["error"], tried["reason"]
    what = f"status {status}" if status else error or reason or "done"
    words = f"; {without_status(error, status)}" if status and error else ""
    again = "; sent again by a replay" if reason == "replayed" else ""
    return f"attempt {instant(tried['at'])}: {what} after {tried['duration_ms']} ms{words}{again}"


def without_status(words: str, status: int | None) -> str:
    """The vendor's words without the status that our own words name already."""
    return re.sub(rf"^status[ _]{status}\b:? *", "", words) or f"status {status}"


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
    """Why a destination is not running; None while it runs."""
    state, reason = counts.get("state", "running"), counts.get("state_reason", "")
    if state == "running":
        return None
    if state == "stopped":
        keys = ("state", "state_reason", "state_detail", "state_since", "state_until")
        last = {key: counts.get(f"last_{key}") for key in keys}
        sentence = trouble_of(name, last)
        return sentence and f"last known: {sentence}"
    since, until = instant(counts.get("state_since")), counts.get("state_until")
    if state == "paused":
        what = why_stopped(state, reason, counts.get("state_detail"))
        return f"{name} is {what}, since {since}; {_end_of_pause(name, reason, until)}"
    if state == "breaker_open":
        probes = f"one probe at a time, the next from {instant(until)} on" if until else "one probe at a time"
        return f"{name} {why_stopped(state, reason)}, since {since}; {probes}; `resume {name}` sends at once"
    return f"{name} is disabled in config.toml" if state == "disabled" else f"{name}: {state} {reason}".rstrip()


def why_stopped(state: str, reason: str, detail: str | None = None) -> str:
    """Why a destination stands still: what follows its name. `detail`: the vendor's words, of which the first line is told."""
    if state == "breaker_open":
        return f"fails again and again ({trouble(reason)})"
    first = (detail or "").partition("\n")[0][:MAX_DETAIL]
    sentence = PAUSED[reason].sentence if reason in PAUSED else f"paused by its plugin: {reason}"
    return sentence + (f" ({first})" if first else "")


def _end_of_pause(name: str, reason: str, until: str | None) -> str:
    """What ends a pause, and when."""
    if reason == "hook_held":
        return "it goes on when the hook returns; else correct its plugin or disable it, and `reload`"
    if reason in ("by_hand", "internal") or not until:
        return f"`resume {name}` ends it"
    if reason == "retry_after":
        return f"it goes on by itself {instant(until)}; `resume {name}` ends it at once"
    mend = "correct it and `reload`; " if reason in PAUSED else ""
    return f"nothing is lost: {mend}it probes from {instant(until)} on; `resume {name}` ends it at once"


def slow_hooks(row: Mapping[str, Any]) -> list[str]:
    """The hooks of a destination that held an event loop, and whether it has a thread of its own."""
    told = [
        f"{row['name']}: hook {hook} held the event loop {count(slow['count'], 'time')}, for {slow['longest_s']} s at most"
        + (f", last with {slow['last_message_id']}" if slow["last_message_id"] else "")
        for hook, slow in row.get("slow_hooks", {}).items()
    ]
    return [*told, f"{row['name']} runs in a thread of its own"] if row.get("isolation") == "thread" else told


def isolated(name: str, words: str) -> str:
    """Why a destination has a thread of its own, and until when."""
    return (
        f"{name} runs in its own thread ({words}) until its table or its plugin's version changes; after `resume {name}`"
        " until the next start"
    )


def further(name: str, counts: Mapping[str, int]) -> str | None:
    """The events in states that a table has no room for; None where there are none."""
    told = [f"{n:,} {state}" for state, n in counts.items() if n]
    return f"{name}: also {' and '.join(told)}" if told else None


def beside(name: str, counts: Mapping[str, Any]) -> list[str]:
    """What the seven states of a destination do not show: what was only a dry run, what a replay sent beside them, its timers."""
    told = []
    if dry := counts.get("dry_run", 0):
        if dry == counts["delivered"]:
            told.append(f"{name}: all of its delivered events were a dry run: nothing was sent")
        else:
            told.append(
                f"{name}: of {counts['delivered']:,} delivered, {count(dry, 'event')} only in a dry run: never sent"
            )
    if n := counts.get("replayed", 0):
        told.append(
            f"{name}: a replay delivered {count(n, 'event')} that the table does not count: accepted before this"
            " destination was added, or delivered before"
        )
    timers = timers_of(counts, name)
    return [*told, timers] if timers else told


def adds_up(name: str, total: int, accepted: int) -> str:
    """The sum of a destination's seven states. It is less than all accepted events if the destination was added later."""
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
    return detail[-1][:120] if detail and detail[-1] else _words(DEAD, row["reason"])


def replay(job: Mapping[str, Any]) -> str:
    """How far a replay is."""
    if job["state"] == "none":
        return "nothing was replayed yet"
    what = "dead letters" if job["dead"] else "events"
    chosen = f" since {instant(job['since'])}" if job["since"] else ""
    fed = f"{job['fed']:,} of {job['total']:,} {what}{chosen} are on their way or done"
    if left_out := job.get("left_out", 0):
        fed += f", {left_out:,} left out (they wait already, or are gone)"
    match job["state"]:
        case "running":
            return f"replay runs: {fed}, {job['remaining']:,} to go; {job['per_second']} a second"
        case "stopped":
            return f"replay was stopped {instant(job['ended_at'])}: {fed}"
    return f"replay ended {instant(job['ended_at'])}: {fed}"


def left_out(per_s: float, every: int, n: int) -> str | None:
    """What a list of the newest events does not show because too many come; None where it shows all."""
    if every == 1:
        return None
    return f"about {round(per_s):,} a second come in: one in {every:,} is shown, {count(n, 'event')} in between are left out here"


def nothing_found(is_filtered: bool, since: str | None, searched_to: str | None) -> str:
    """Why a list of events is empty."""
    what = "No event passes these filters" if is_filtered else "No event is stored"
    if searched_to:
        return f"{what} among those accepted since {instant(searched_to)}; older ones were not searched"
    return what + (f" since {since}" if since else "")


def of_reason(state: str, reason: str, event: Mapping[str, Any]) -> str:
    """What a reason means for this event: its own type, source and filter in place of the table's gaps."""
    return filled(TABLES.get(state, {}), reason, event)


def unknown_event(source: str | None) -> str:
    """An event page of a message id that the store does not have."""
    return "No event with this message id is known" + (f" from source {source}" if source else "")


NOT_THERE = (
    "It was sent to another router, or as another source: look at the address and the write key of the sender.",
    "It was sent, and could not be used: such calls are told by `discards`, the newest hundred with their reason.",
    "It is older than the store keeps message ids (`store.dedupe_window`).",
)
"""Why an event is not known, though somebody sent it."""

BODY_GONE = "Its body is not stored any more (`store.retention`); what became of it still is."
BODY_FORGOTTEN = "Its person was forgotten, and its body with them."


def answered(told: Mapping[str, Any]) -> list[str]:
    """What a plugin makes of an answer: of each item, and of the whole destination.

    Args:
        told: `{"outcomes", "destination", "counts"}`, as a trial gives it.
    """
    kinds = {
        "delivered": "delivered", "dead": "a dead letter: {why}", "retrying": "tried again: {why}",
        "paused": "waits with its destination: {why}", "split": "sent again in halves, since one of the batch is bad: {why}",
        "skipped": "skipped: {why}",
    }  # fmt: skip
    lines = []
    for one in told["outcomes"]:
        why = (
            trouble(one["reason"])
            if one["outcome"] == "retrying"
            else _words(TABLES.get(one["outcome"], {}), one["reason"])
        )
        lines.append(kinds[one["outcome"]].format(why=why) + (f" ({one['detail']})" if one["detail"] else ""))
    lines = list(dict.fromkeys(lines))
    match told["destination"]:
        case {"state": "paused", "reason": reason, "for_s": for_s}:
            how_long = f" for {span(for_s)}" if for_s else ""
            lines.append(f"the whole destination is {_words(PAUSED, reason)}{how_long}")
        case {"state": "failed"}:
            lines.append(
                "it counts as a failure of the destination; after several in a row it sends one probe at a time"
            )
    return lines if told["counts"] else [*lines, "it does not count as an attempt of the event"]
