"""What would become of an event, and what came of a test, as sentences. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from router.explain.code_phrases import of_reason, trouble, waiting, words_of
from router.explain.figures import count, span
from router.explain.reasons import DEAD, PAUSED, TABLES


def trial(event: Mapping[str, Any], told: Mapping[str, Any]) -> str:
    """What would become of an event at one destination, as one sentence. `event`: its `type` and, where it has one, its `source`."""
    reason, detail = told["reason"], told["detail"]
    event = {"type": event["type"], "source": event.get("source"), "detail": detail}
    match told["outcome"]:
        case "deliver" if told.get("answered") and not told["answered"]["answer"]:
            return "would not be sent: nothing can be sent to its vendor"
        case "deliver":
            n = len(told["requests"])
            return "would be sent" + (f", in {count(n, 'request')}" if n > 1 else "")
        case "skipped":
            return f"would be skipped: {of_reason('skipped', reason, event)}"
        case "filtered":
            return f"would be filtered: {of_reason('filtered', reason, event)}"
        case "held":
            return f"would be held until there is {waiting(reason, 'its user', None)}"
        case "dead":
            return f"would be a dead letter: {words_of(DEAD, reason)}" + (f": {detail}" if detail else "")
    return f"would be {told['outcome']}: {trouble(reason)}" + (f": {detail}" if detail else "")


def rebuilt(event: Mapping[str, Any], told: Mapping[str, Any], state: str) -> str:
    """What stands over the request of a stored event, which is made once more for the page. `state`: what became of the event."""
    lead = "Rebuilt from today's settings and what is known of user and group; the original was not kept."
    if told["outcome"] == "deliver" and state == "delivered":
        return lead
    return f"{lead} Decided today, it {trial(event, told)}."


def known(user: str, group_id: str) -> str:
    """What a trial took from the directory."""
    group = f"of group {group_id}" if group_id else "that no group is known"
    return f"Tried with what the router knows of {user} and {group}; that is logged, as it may show personal traits."


def would_wait(why: str) -> str:
    """What would become of an event that is to be sent, at a destination that stands still. `why`: as `why_stopped` says it."""
    return f"would wait: the destination is {why}"


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
            else words_of(TABLES.get(one["outcome"], {}), one["reason"])
        )
        lines.append(kinds[one["outcome"]].format(why=why) + (f" ({one['detail']})" if one["detail"] else ""))
    lines = list(dict.fromkeys(lines))
    match told["destination"]:
        case {"state": "paused", "reason": reason, "for_s": for_s}:
            how_long = f" for {span(for_s)}" if for_s else ""
            lines.append(f"the whole destination is {words_of(PAUSED, reason)}{how_long}")
        case {"state": "failed"}:
            lines.append(
                "it counts as a failure of the destination; after several in a row it sends one probe at a time"
            )
    return lines if told["counts"] else [*lines, "it does not count as an attempt of the event"]


def checked(result: str, detail: str, reason: str) -> list[str]:
    """What came of a destination's check, as lines."""
    first, *more = detail.splitlines() or [""]
    match result:
        case "ok":
            lead = "check"
        case "no_check":
            lead = "check: not tried"
        case "secret_missing":
            lead = "check: not made"
        case _:
            lead = f"check: FAILED ({reason})"
    return [f"{lead}: {first}" if first else lead, *(f"    {line}" for line in more)]
