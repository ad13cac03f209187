"""What became of one event, as sentences. Pure: what the admin API gives, in; what a person reads, out."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from router.explain.code_phrases import of_reason, trouble, user_of, waiting, words_of
from router.explain.command_lines import replay_one
from router.explain.figures import instant
from router.explain.reasons import DEAD, QUEUED, Actor, Reason, reason_of
from router.vocabulary import DELETION


def event(message_id: str, event: Mapping[str, Any]) -> str:
    """Which event it is: of which type and whom, from where and when."""
    at, of_user = instant(event["received_at"]), user_of(event)
    if deletion := deletion_of(message_id):
        return f"{deletion}, which asks to delete {of_user}, since {at}"
    return f"{event['type'] or 'call'} of {of_user}, from {event['source']}, accepted {at}"


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
            return f"skipped {at}: {of_reason(state, reason, event)}"
        case "filtered":
            return f"filtered {at}: {of_reason(state, reason, {**event, 'detail': told.get('detail')})}"
        case "retrying":
            return f"retrying since {at}: {trouble(reason)}; {_next_attempt(told)}"
        case "queued":
            return f"queued: {_turn(reason, told.get('behind'))}"
        case "dead":
            why, detail = words_of(DEAD, reason), told.get("detail")
            return f"dead since {at}: {why}" + (f": {detail}" if detail and detail != why else "")
    return f"{state} {at} {reason}".rstrip()


def second_sending(told: Mapping[str, Any], event: Mapping[str, Any]) -> str | None:
    """What became of an event that a replay sent once more, where that did not arrive; None where nothing is to be said."""
    second = told.get("replay")
    return second and f"sent again by a replay: {fate({'attempts': [], **second}, event)}"


def advice(told: Mapping[str, Any]) -> str | None:
    """Who can act and how, where an event did not arrive for good; None where nobody has to."""
    reason = reason_of(told["state"], told["reason"])
    if told["state"] not in ("skipped", "filtered", "dead") or reason.actor is Actor.NOBODY:
        return None
    if told.get("changed") and told.get("expression") == "":
        return f"{reason.actor}: replay it"  # what the reason tells to change is changed
    return f"{reason.actor}: {reason.next_step}"


def _next_attempt(told: Mapping[str, Any]) -> str:
    at = told.get("next_attempt_at")
    return f"next attempt {instant(at)}" if at else "tried again with growing waits"


def _turn(reason: str, first: Mapping[str, Any] | None) -> str:
    """What a queued event waits for. first: what goes out before it."""
    words = words_of(QUEUED, reason) or "its turn comes"
    if first is None:
        return words
    deletion = deletion_of(first["message_id"])
    return f"{deletion} comes first: it is {_standing(first)}" if deletion else f"{words}: {_on_its_way(first)}"


def deletion_of(message_id: str | None) -> str | None:
    """A deletion that a vendor is asked for, by its message id, which no sender knows; None for any other message."""
    if not message_id or not message_id.startswith(DELETION):
        return None
    return f"the deletion of regulation {message_id.split(':')[1]}"


def _on_its_way(told: Mapping[str, Any]) -> str:
    """An event that another one waits for."""
    was_accepted = "" if told["state"] == "retrying" else "was accepted and "
    return f"{told['message_id'] or 'it'} {was_accepted}is {_standing(told)}"


def _standing(told: Mapping[str, Any]) -> str:
    """The state of what is on its way."""
    if told["state"] == "retrying":
        return f"retrying ({trouble(told['reason'])}; {_next_attempt(told)})"
    return str(told["state"])


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


def refused(row: Mapping[str, Any]) -> str | None:
    """The group call that came and does not count here, where that is why a user waits: the vendor refused it, or it was filtered."""
    call = row.get("refused")
    if not call:
        return None
    named = f"group call {call['message_id']}" if call["message_id"] else "a group call of theirs"
    if call.get("state") == "filtered":
        why = of_reason("filtered", call["reason"], {})
        return f"{named} was filtered here ({why}, {instant(call['at'])}), so it opens nothing"
    why = words_of(DEAD, call["reason"])
    return f"{named} does not count here ({why}, {instant(call['at'])}); the next one that is not refused does"


def of_refused(row: Mapping[str, Any]) -> Reason | None:
    """What the fate of that call means; None where there is none."""
    call = row.get("refused")
    return reason_of(call.get("state") or "dead", call["reason"] or "") if call else None


def mend_refused(destination: str, row: Mapping[str, Any]) -> tuple[str, str] | None:
    """Who can make that call count and how, and the verb that sends it again; "" for the verb where it must not be sent. None where there is
    no such call."""
    meaning = of_refused(row)
    if meaning is None:
        return None
    if meaning.actor is Actor.NOBODY:
        return meaning.next_step, ""
    id = row["refused"]["message_id"]
    return f"{meaning.actor}: {meaning.next_step}", replay_one(destination, id) if id else ""


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


def dead_letter(row: Mapping[str, Any]) -> str:
    """Why an event is dead, in one line."""
    detail = str(row["detail"]).splitlines()
    return detail[-1][:120] if detail and detail[-1] else words_of(DEAD, row["reason"])


DUPLICATE = "its message id was accepted before, so it was not stored again: the first call counts"

BODY_GONE = "Its body is not stored any more (`store.retention`); what became of it still is."


BODY_FORGOTTEN = "Its person or group was forgotten, and its body with them."
