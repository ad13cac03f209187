"""Where the events of a person or a group are: one answer a destination, with the cause, who acts and the next step. Pure.

In: how many of their events are in which state at a destination, and what a hold waits for. Out: what customer success reads.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from router.explain.code_phrases import of_reason, waiting
from router.explain.command_lines import replay_one
from router.explain.destination_phrases import why_stopped
from router.explain.figures import count, short_instant
from router.explain.reasons import NONE, Actor, reason_of

ORDER = ("held", "dead", "retrying", "queued", "filtered", "skipped")
"""What is told first, of what was not delivered."""
UNDER_WAY = ("retrying", "queued")
"""States that a pause of the destination explains."""


class Said(NamedTuple):
    """One cause at one destination."""

    state: str
    reason: str
    events: int
    sentence: str
    actor: Actor
    next_step: str
    more: str = ""  #: what is known beside it, as a sentence
    sample: str = ""  #: the message id of one of them
    user: str = ""  #: whose lane waits, where something is held
    command: str = ""  #: what to type as the last part of the next step, without the name of the program


class Whereabouts(NamedTuple):
    """The answer of one destination."""

    destination: str
    is_dry_run: bool
    headline: str
    state: str  #: of the headline: the gravest of the events
    causes: Sequence[Said]
    actor: Actor
    next_step: str
    command: str = ""  #: that of the cause whose next step this is


def at_minute(text: str | None) -> str:
    """An instant as these sentences have it: `2026-01-02 03:04 UTC`."""
    return f"{short_instant(text)} UTC"


def where(name: str, told: Mapping[str, Any]) -> Whereabouts:
    """Where the events are at one destination.

    Args:
        told: `mode`, `enabled`, `pause` of the destination; `counts`: by state, by reason: `{"n", "sample", "detail", "type", "source",
            "last_at"}`, and `tried`, `status`: whether one was tried, and what the tool answered last; `lanes`: as
            `ports.Lookups.lanes` gives them; `shown_after`: when its tool shows what it took, as it says.
    """
    counts, is_dry = told["counts"], told["mode"] == "dry-run"
    by_state = {state: sum(one["n"] for one in reasons.values()) for state, reasons in counts.items()}
    by_state["held"] = max(by_state.get("held", 0), sum(lane["events"] for lane in told["lanes"]))  # also what is older
    total, delivered = sum(by_state.values()), by_state.get("delivered", 0)
    causes = [*_causes(name, told)]
    waits = causes and (causes[0].state in ("held", "dead", "retrying", "queued") or not delivered)
    state = causes[0].state if waits else "delivered" if delivered else ""
    headline = _headline(told, total, delivered, is_dry=is_dry)
    if not causes:
        return Whereabouts(name, is_dry, headline, state, causes, *_when_all_is_done(told, delivered, is_dry=is_dry))
    first = next((cause for cause in causes if cause.next_step != NONE), causes[0])
    step = first.next_step.removeprefix(f"{NONE}: ")
    return Whereabouts(name, is_dry, headline, state, causes, first.actor, step, first.command)


def as_text(who: Sequence[str], places: Sequence[Whereabouts]) -> str:
    """The whole answer as plain text, for a ticket or a chat. `who`: the lines above it."""
    lines = [*who, ""]
    for place in places:
        lines.append(f"{place.destination}: {place.headline}")
        for cause in place.causes:
            lines.append(f"  {cause.sentence}" + (f" {cause.more}" if cause.more else ""))
        if place.next_step and place.next_step != NONE:
            command = f" Command: {place.command}" if place.command else ""
            lines.append(f"  Who acts: {place.actor.value}. Next: {place.next_step}.{command}")
    return "\n".join(lines) + "\n"


def _headline(told: Mapping[str, Any], total: int, delivered: int, *, is_dry: bool) -> str:
    if not total:
        return "None of their events came here."
    last = max((one["last_at"] or "" for one in told["counts"].get("delivered", {}).values()), default="")
    at = f", the last {at_minute(last)}" if last else ""
    if is_dry:
        return (
            f"Nothing is really sent yet: this destination is in dry run. {delivered:,} of {total:,} are recorded{at}."
        )
    recorded = told["counts"].get("delivered", {}).get("dry_run", {}).get("n", 0)
    sent = delivered - recorded
    if recorded:
        return f"{sent:,} of {total:,} delivered{at}; {recorded:,} were only recorded, in a dry run before."
    return f"{delivered:,} of {total:,} delivered{at}." if delivered else _nothing_delivered(told["counts"])


def _nothing_delivered(counts: Mapping[str, Any]) -> str:
    """What became of events of which the tool took none: whether it was asked at all."""
    tried = {
        state: [one for one in counts.get(state, {}).values() if one.get("tried")] for state in ("dead", *UNDER_WAY)
    }
    if any(one.get("status") for one in tried["dead"]):
        return "Sent, and refused by the tool."
    if any(one.get("status") for ones in tried.values() for one in ones):
        return "Sent, and the tool has not said yes."
    return "Tried, and none was delivered." if any(tried.values()) else "Nothing was sent."


def _when_all_is_done(told: Mapping[str, Any], delivered: int, *, is_dry: bool) -> tuple[Actor, str]:
    """Who acts where nothing is left out."""
    if is_dry:
        meaning = reason_of("delivered", "dry_run")
        return meaning.actor, meaning.next_step
    if not delivered:
        return Actor.SENDER, "if they should be here: is the instance right, and does the app send events of this user?"
    later = f" It shows new data {told['shown_after']}." if told.get("shown_after") else ""
    return (
        Actor.NOBODY,
        f"the tool has said yes to all of them; if it shows nothing, look in the tool.{later}".rstrip("."),
    )


def _causes(name: str, told: Mapping[str, Any]) -> Iterator[Said]:
    """What was not delivered, and why: what waits first."""
    lanes, counts, pause = _merged(told["lanes"]), told["counts"], told.get("pause")
    yield from (_held(name, lane, counts.get("held", {})) for lane in lanes)
    for state in ORDER:
        if state == "held" and lanes:
            continue
        if state in UNDER_WAY and pause is not None:
            if stopped := [(word, one) for word in UNDER_WAY for one in counts.get(word, {}).values()]:
                yield _stopped(stopped[0][0], [one for _, one in stopped], pause)
            pause, counts = None, {word: ones for word, ones in counts.items() if word not in UNDER_WAY}
        for reason, one in sorted(counts.get(state, {}).items(), key=lambda item: -item[1]["n"]):
            yield _cause(state, reason, one)


def _merged(lanes: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """A person may have a lane under each of their ids: those that wait for the same are one."""
    merged: dict[tuple[str, str | None], dict[str, Any]] = {}
    for lane in lanes:
        one = merged.setdefault((lane["waiting_for"], lane["group_id"]), {**lane, "events": 0})
        one["events"] += lane["events"]
        one["since"] = min(one["since"], lane["since"])
    return list(merged.values())


def _stopped(state: str, ones: Sequence[Mapping[str, Any]], pause: Mapping[str, Any]) -> Said:
    """What waits because the destination stands still."""
    n = sum(one["n"] for one in ones)
    meaning = reason_of("breaker_open" if pause["state"] == "breaker_open" else "paused", pause["reason"])
    why = why_stopped(pause["state"], pause["reason"], pause["detail"])
    verb = "is " if pause["state"] == "paused" else ""
    since = f", since {at_minute(pause['since'])}" if pause["since"] else ""
    words = f"{count(n, 'event')} {_waits(n)}: the destination {verb}{why}{since}."
    return Said(state, pause["reason"], n, words, meaning.actor, meaning.next_step, "", ones[0].get("sample") or "")


def _held(name: str, lane: Mapping[str, Any], counts: Mapping[str, Any]) -> Said:
    reason, group_id = lane["waiting_for"], lane["group_id"]
    meaning = reason_of("held", reason)
    sample = next((str(one["sample"]) for one in counts.values()), "")
    what = waiting(reason, lane["user"], group_id) if reason == "group_unknown" else _trait(lane)
    words = f"{count(lane['events'], 'event')} {_waits(lane['events'])} since {at_minute(lane['since'])} for {what}."
    more, actor, step, command = _why_it_waits(lane), meaning.actor, meaning.next_step, ""
    if call := lane.get("group_call"):
        actor, step = (
            Actor.NOBODY,
            f"nothing to do yet: the group call {call['message_id'] or ''} is on its way".rstrip(),
        )
        if call["state"] == "retrying":
            actor, step = Actor.VENDOR, "nothing to do yet: the group call is tried again"
    elif (refused := lane.get("refused")) and refused.get("state") in ("dead", "filtered"):
        of_call = reason_of(refused["state"], refused["reason"])
        actor, step = of_call.actor, of_call.next_step
        if actor is not Actor.NOBODY and refused["message_id"]:
            command = replay_one(name, refused["message_id"])
    return Said("held", reason, lane["events"], words, actor, step, more, sample, lane["user"], command)


def _trait(lane: Mapping[str, Any]) -> str:
    trait = lane["waiting_for"].removeprefix("group_").removesuffix("_unknown")
    return f"a group call with the {trait} of " + (f"group {lane['group_id']}" if lane["group_id"] else "their group")


def _why_it_waits(lane: Mapping[str, Any]) -> str:
    """The group call that did not open the gate, and why it did not."""
    if call := lane.get("group_call"):
        return f"The group call {call['message_id'] or 'of theirs'} was accepted and is {call['state']}."
    if refused := lane.get("refused"):
        named = f"The group call {refused['message_id']}" if refused["message_id"] else "Their group call"
        at = f" of {at_minute(refused['at'])}" if refused.get("at") else ""
        if refused.get("state") == "filtered":
            return f"{named}{at} was filtered here: {of_reason('filtered', refused['reason'], {})}."
        why = reason_of("dead", refused.get("reason") or "").sentence or "it was not taken"
        said = f" ({refused['detail']})" if refused.get("detail") else ""
        return f"{named}{at} does not count here: {why}{said}."
    if (told := lane.get("told")) and told["since"]:
        trait = lane["waiting_for"].removeprefix("group_").removesuffix("_unknown")
        return f"The group call of {at_minute(told['since'])} had an id ({lane['group_id']}) but no {trait}."
    return "No group call of theirs has come."


def _cause(state: str, reason: str, one: Mapping[str, Any]) -> Said:
    n, meaning = one["n"], reason_of(state, reason)
    detail, at = one.get("detail") or "", f", the last {at_minute(one['last_at'])}" if one.get("last_at") else ""
    match state:
        case "dead":
            said = f" ({detail.splitlines()[-1][:200]})" if detail else ""
            words = f"{count(n, 'event')} the tool did not get{at}: {meaning.sentence}{said}."
        case "filtered":
            words = f"{n:,} left out: {of_reason('filtered', reason, one)}."
        case "skipped":
            words = f"{n:,} skipped: {of_reason('skipped', reason, one)}."
        case "retrying":
            words = f"{count(n, 'event')} {_waits(n)} for another try: {meaning.sentence}."
        case _:
            words = f"{count(n, 'event')} {_waits(n)}: {meaning.sentence}."
    return Said(state, reason, n, words, meaning.actor, meaning.next_step, "", one.get("sample") or "")


def _waits(n: int) -> str:
    return "waits" if n == 1 else "wait"
