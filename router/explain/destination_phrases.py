"""How a destination is, as sentences: why it stands still, what waits, what its numbers mean. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from router.explain.code_phrases import trouble
from router.explain.figures import count, instant, span
from router.explain.reasons import PAUSED

MAX_DETAIL = 200
MENDED = {"credentials": "the key", "set_up": "the settings"}
"""Reasons of a pause that a changed config.toml ends: what is to be corrected there. To resume does not help."""
KEPT = ("held", "retrying", "queued", "dead")
"""What is told of a destination that was removed."""


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


def resumed(name: str, was: str) -> str:
    """What happens at a destination that an operator resumed. `was`: its state before; "" where a daemon does not say it."""
    match was:
        case "breaker_open":
            return f"{name} is running: its breaker is closed, and what waits is sent now; it opens again if requests keep failing"
        case "paused":
            return f"{name} is running: what waits is sent now"
        case "running":
            return f"{name} is running: it was not paused"
        case "disabled":
            return f"{name} is disabled in config.toml and sends nothing: set enabled = true, then `reload`"
    return f"{name} is running"


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
    if reason in MENDED:
        later = f"; otherwise it tries again {instant(until)}" if until else ""
        return f"nothing is lost: correct {MENDED[reason]}, then `reload`{later}"
    if reason in ("by_hand", "internal") or not until:
        return f"`resume {name}` ends it"
    if reason == "retry_after":
        return f"it goes on by itself {instant(until)}; `resume {name}` ends it at once"
    return f"nothing is lost: it tries again {instant(until)}; `resume {name}` does at once"


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


def removed(row: Mapping[str, Any], drop: str) -> str:
    """What is kept of a destination that config.toml has no more. `drop`: the line that deletes it."""
    kept = [f"{row[state]:,} {state}" for state in KEPT if row.get(state)]
    keeps = (
        f"{', '.join(kept)} {'is' if sum(row.get(state, 0) for state in KEPT) == 1 else 'are'} kept"
        if kept
        else "its counts are kept"
    )
    return f"{row['name']} was removed from config.toml, and {keeps}: to go on, put its table back and `reload`; to delete all that is kept: `{drop}`"


def timers_of(told: Mapping[str, Any], whose: str) -> str | None:
    """How many timers are set, and when the next is due; None where none is."""
    if not told.get("timers"):
        return None
    n, due = told["timers"], instant(told["next_timer_at"])
    return f"{whose}: {count(n, 'timer')} of the plugin {'is' if n == 1 else 'are'} set, to send something later; the next is due {due}"


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
    told += filter(None, (second_sendings(name, counts), timers_of(counts, name)))
    return told


def second_sendings(name: str, counts: Mapping[str, Any]) -> str | None:
    """What a replay brought that the seven states do not count; None where that is nothing."""
    of_replays = counts.get("beside") or {"delivered": counts.get("replayed", 0)}
    parts = [f"{n:,} {state}" for state, n in of_replays.items() if n]
    if not parts:
        return None
    return (
        f"{name}: beside the table, of events that a replay sent though they were accepted before this destination was added, or were settled:"
        f" {', '.join(parts)}"
    )


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


def _became(job: Mapping[str, Any]) -> str:
    """What became of the events of a replay. Of one that a former version began it is not known."""
    became = job.get("became")
    if not became:
        return " are on their way or done"
    return ": " + ", ".join(f"{n:,} {state}" for state, n in {"delivered": 0, **became}.items())


def replay(job: Mapping[str, Any]) -> str:
    """How far a replay is."""
    if job["state"] == "none":
        return "nothing was replayed yet"
    what = "dead letters" if job["dead"] else "events"
    chosen = f" since {instant(job['since'])}" if job["since"] else ""
    fed = f"{job['fed']:,} of {job['total']:,} {what}{chosen}"
    if job.get("filtered"):
        fed = f"{job['fed']:,} filtered events among {job['total']:,}{chosen}"
    fed += _became(job)
    if not job.get("filtered") and (left_out := job.get("left_out", 0)):
        fed += f", {left_out:,} left out (they wait already, or are gone)"
    match job["state"]:
        case "running":
            return f"replay runs: {fed}, {job['remaining']:,} to go; {job['per_second']} a second"
        case "stopped":
            return f"replay was stopped {instant(job['ended_at'])}: {fed}"
    return f"replay ended {instant(job['ended_at'])}: {fed}"
