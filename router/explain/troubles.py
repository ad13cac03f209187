"""What somebody should know of now, as sentences with the next step. Pure: what the admin API gives, in.

Each trouble has a code that stays, for whoever is told of it by a program.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from router.explain.destination_phrases import why_stopped
from router.explain.figures import count, span
from router.explain.reasons import PAUSED, Actor, reason_of
from router.explain.trouble_codes import CODES, OF_SOURCES, OF_THE_CLUSTER, OF_THE_ROUTER, REFUSED, STEPS
from router.vocabulary import Problem

LATE_S = 15 * 60
"""Events that wait for their turn or an answer for longer are a trouble."""
STANDS_S = 5 * 60
"""A cursor with events above it that does not move for longer is one: whatever fails is parked, and the cursor goes on."""
WITHOUT_OWNER_S = 30.0
"""A destination that no node delivers to for longer is one: after the longest lease of a node that died, another one has it."""
LOOP_LATE_S = 5.0
"""An event loop that was late by more in the last minute is one. A busy machine is late by some seconds now and then."""
LONG_HOLD_S = 24 * 3600
"""Events that are held for longer are one, where more are held and none is let go."""
DISCARDED_SHARE, LEAST_DISCARDED = 0.01, 5
"""More of the calls of an hour that could not be used are one."""
BY_DEMAND = ("dropped", "forgotten")
"""Dead letters that somebody asked for are no trouble."""
MAX_ERROR = 160
MOST_COUNTED = 1_000
"""Dead letters of an hour are counted up to here."""

_ORDER = {code: place for place, code in enumerate(CODES)}


class Trouble(NamedTuple):
    """One cause, whatever the number of events behind it."""

    code: str  #: one of CODES
    subject: str  #: a destination, a source, or "router"
    sentence: str
    next_step: str
    actor: Actor
    since: str | None = None  #: an instant of the admin API
    until: str | None = None  #: when it goes on or tries by itself
    waiting: int = 0  #: events that wait because of it
    page: str = ""  #: the path behind it: `/destinations/hook`


class RouterNotices(NamedTuple):
    """What happened to the router itself, by instants of the admin API."""

    refused_at: str | None = None
    refused: str = "invalid_config"  #: why: one of REFUSED
    errors: Sequence[str] = ()  #: of the reload that was refused then
    jumped_at: str | None = None
    jump_s: float = 0.0
    in_force_since: str | None = None  #: since when the configuration before the refused one is in force
    loop_late_s: float = 0.0  #: how late the event loop of all was at most in the last minute


def troubles(
    problems: Sequence[Problem],
    destinations: Sequence[Mapping[str, Any]],
    sources: Sequence[Mapping[str, Any]] = (),
    recent: Mapping[str, Mapping[str, Any]] | None = None,
    notices: RouterNotices | None = None,
) -> list[Trouble]:
    """All of them, gravest first.

    Args:
        problems: of the daemon and its store.
        destinations: rows of `/api/destinations`; `stands_s`: for how long its cursor has not moved; `without_owner_s`: for how long no
            node delivers to it.
        sources: by source how it is: `name`, `last_event_at`, `silent_s`, `longest_gap_s`, `accepted_last_hour`, `discarded_last_hour`.
        recent: by destination what happened lately: `dead_last_hour`, `last_held_at`, `last_let_go_at`, `group_calls_filtered`.
    """
    found = [_of_problem(one) for one in problems]
    found += _of_the_router(notices or RouterNotices())
    for row in destinations:
        lately = (recent or {}).get(row["name"], {})
        slow = _without_owner(row) or _stuck(row) or _late(row)
        found += [*_stopped(row), *_dead(row, lately), *slow, *_gate(row, lately)]
    for source in sources:
        found += _of_source(source)
    return sorted(found, key=lambda one: _ORDER[one.code])


def about(trouble: Trouble) -> tuple[str, str]:
    """The source and the destination that a trouble is about; one is empty, and for one of the router itself both are."""
    if trouble.code in OF_THE_ROUTER:
        return "", ""
    return (trouble.subject, "") if trouble.code in OF_SOURCES else ("", trouble.subject)


def code_of_pause(state: str, reason: str) -> str:
    """The code of the trouble that a destination stands still."""
    if state == "breaker_open":
        return "breaker_open"
    return reason if reason in PAUSED else "paused"


def _of_problem(problem: Problem) -> Trouble:
    page = "/cluster" if problem.code in OF_THE_CLUSTER else ""
    return Trouble(problem.code, "router", problem.words, STEPS[problem.code], Actor.OPERATOR, page=page)


def _of_the_router(notices: RouterNotices) -> Iterator[Trouble]:
    if notices.refused_at:
        first = " ".join(next(iter(notices.errors), "").split())
        first = first if len(first) <= MAX_ERROR else f"{first[:MAX_ERROR]} …"
        words = first + (f", and {len(notices.errors) - 1} more" if len(notices.errors) > 1 else "")
        yield Trouble(
            "reload_refused",
            "router",
            f"the last reload was refused, and the former config.toml is in force: {words}",
            REFUSED[notices.refused],
            Actor.OPERATOR,
            since=notices.refused_at,
            page="/settings",
        )
    if notices.loop_late_s > LOOP_LATE_S:
        yield Trouble(
            "loop_lag",
            "router",
            f"the event loop was late by {notices.loop_late_s:.1f} s in the last minute: all clients and destinations waited",
            "look for plugin_slow in the log, and for what else keeps this machine's processors busy",
            Actor.OPERATOR,
        )
    if notices.jumped_at:
        direction = "forward" if notices.jump_s > 0 else "back"
        yield Trouble(
            "clock_jump",
            "router",
            f"the clock of this machine jumped {direction} by {span(abs(notices.jump_s))}",
            "check the time service of this machine; nothing expires by the jump",
            Actor.OPERATOR,
            since=notices.jumped_at,
        )


def _stopped(row: Mapping[str, Any]) -> Iterator[Trouble]:
    pause = row.get("pause")
    if pause is None:
        return
    reason = reason_of("breaker_open" if pause["state"] == "breaker_open" else "paused", pause["reason"])
    yield Trouble(
        code_of_pause(pause["state"], pause["reason"]),
        row["name"],
        why_stopped(pause["state"], pause["reason"], pause["detail"]),
        reason.next_step,
        reason.actor,
        pause["since"],
        pause["next_probe_at"] or pause["ends_at"],
        row["queued"] + row["retrying"],
        _page(row),
    )


def _dead(row: Mapping[str, Any], lately: Mapping[str, Any]) -> Iterator[Trouble]:
    """Dead letters of the last hour; without what happened lately, all that there are."""
    found = lately["dead_last_hour"] if "dead_last_hour" in lately else {"": row["dead"]}
    by_reason = {reason: n for reason, n in found.items() if reason not in BY_DEMAND}
    if failed := by_reason.pop("plugin_error", 0):
        fault = reason_of("dead", "plugin_error")
        words = f"{count(failed, 'event')} on which its plugin failed in the last hour"
        yield Trouble("plugin_error", row["name"], words, fault.next_step, fault.actor, page=_page(row, "dead"))
    if n := sum(by_reason.values()):
        more = " or more" if n >= MOST_COUNTED else ""
        words = f"{n:,}{more} {'dead event' if n == 1 else 'dead events'}" + (
            " in the last hour" if "dead_last_hour" in lately else ""
        )
        why = max(by_reason, key=lambda reason: by_reason[reason])
        meaning = reason_of("dead", why)
        if not why:
            yield Trouble("dead", row["name"], words, "see why, correct the cause, then replay", Actor.OPERATOR)
            return
        words += f": {meaning.sentence}" + (f" ({by_reason[why]:,} of them)" if len(by_reason) > 1 else "")
        yield Trouble("dead", row["name"], words, meaning.next_step, meaning.actor, page=_page(row, "dead"))


def _without_owner(row: Mapping[str, Any]) -> list[Trouble]:
    """No node delivers to it: why its cursor stands, and its events are late, too."""
    seconds = row.get("without_owner_s", 0)
    if seconds <= WITHOUT_OWNER_S:
        return []
    words = f"no node has delivered to it for {span(seconds)}"
    step = "see `cluster`: start the node that is gone, or reload one whose config.toml is right"
    return [Trouble("no_owner", row["name"], words, step, Actor.OPERATOR, waiting=row["queued"], page="/cluster")]


def _stuck(row: Mapping[str, Any]) -> list[Trouble]:
    """A cursor that does not move: why its events are late, too."""
    stands_s = row.get("stands_s", 0)
    if row.get("pause") is not None or not row.get("enabled", True) or stands_s <= STANDS_S:
        return []
    words = f"its cursor has not moved for {span(stands_s)}, though it runs and events wait"
    step = "look at its requests in flight, shorten its timeout, and restart the router"
    return [
        Trouble("cursor_stuck", row["name"], words, step, Actor.OPERATOR, waiting=row["queued"], page=_page(row)),
    ]


def _late(row: Mapping[str, Any]) -> Iterator[Trouble]:
    age = row.get("oldest_queued_s", 0)
    if row.get("pause") is None and row.get("enabled", True) and age > LATE_S:
        words = f"the oldest event that is not delivered waits for {span(age)}"
        step = "look at its answers and its rate; the tool may be slow"
        yield Trouble("undelivered", row["name"], words, step, Actor.OPERATOR, waiting=row["queued"], page=_page(row))


def _gate(row: Mapping[str, Any], lately: Mapping[str, Any]) -> Iterator[Trouble]:
    """What is held for long while nobody is let go, and group calls that were kept from a destination that needs them."""
    if n := lately.get("group_calls_filtered", 0):
        words = f"{count(n, 'group call')} did not pass its filters, so the events of {'that user' if n == 1 else 'those users'} wait"
        step = "let group calls pass its filter, reload, and replay"
        yield Trouble("group_filtered", row["name"], words, step, Actor.OPERATOR, page=_page(row, "held"))
    waiting = row.get("waiting", {})
    oldest = max((one["oldest_s"] for one in waiting.values()), default=0)
    if oldest > LONG_HOLD_S and lately.get("last_held_at") and not lately.get("last_let_go_at"):
        reason = max(waiting, key=lambda code: waiting[code]["events"])
        meaning, users = reason_of("held", reason), sum(one["users"] for one in waiting.values())
        events = sum(int(one["events"]) for one in waiting.values())
        words = (
            f"more and more is held, and nothing was let go for a day: {count(int(events), 'event')} of {count(int(users), 'user')},"
            f" the oldest for {span(oldest)}; {meaning.cause}"
        )
        yield Trouble(
            "hold_growing",
            row["name"],
            words,
            meaning.next_step,
            meaning.actor,
            waiting=events,
            page=_page(row, "held"),
        )


def _of_source(source: Mapping[str, Any]) -> Iterator[Trouble]:
    page = f"/sources/{source['name']}"
    if source.get("silent_s"):
        words = f"source {source['name']} is silent for {span(source['silent_s'])}; it never was for longer than {span(source['longest_gap_s'])} lately"
        yield Trouble(
            "source_silent",
            source["name"],
            words,
            "check whether the app still sends, and with which write key",
            Actor.SENDER,
            since=source["last_event_at"],
            page=page,
        )
    discarded, accepted = source.get("discarded_last_hour", 0), source.get("accepted_last_hour", 0)
    if discarded >= LEAST_DISCARDED and discarded > DISCARDED_SHARE * (discarded + accepted):
        share = f"{100 * discarded / (discarded + accepted):.0f} %"
        words = f"{discarded:,} calls of source {source['name']} could not be used in the last hour, {share} of what it sent"
        step = "see the reasons, and correct the calls"
        yield Trouble("discards", source["name"], words, step, Actor.SENDER, page=page)


def _page(row: Mapping[str, Any], part: str = "") -> str:
    return f"/destinations/{row['name']}" + (f"/{part}" if part else "")
