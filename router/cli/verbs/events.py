"""`events`: the newest events of a kind, and what became of them."""

from __future__ import annotations

import asyncio
import json
import shlex
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import typer

from router.cli.data_source import DataSource, open_data_source
from router.cli.endpoint import program
from router.cli.nobody import nothing_of
from router.cli.options import Common, Since, Source, User, asks, hint
from router.cli.output import printable, say, say_json, say_table, say_wrapped, warn
from router.cli.style import OF_STATE, Styled, paint
from router.clock import SystemClock
from router.explain import code_phrases
from router.explain.figures import instant

EVERY_S = 1.0
PAGE = 500
"""So many new events are asked for at a time by --follow."""
REMEMBERED = 10_000
"""So many positions that were shown are remembered, so that none is shown twice."""

ORDER = ("dead", "retrying", "held", "queued", "filtered", "skipped", "delivered")

Company = Annotated[
    str | None, typer.Option("--company", metavar="ID", help="Of this group or company, by its groupId.")
]
CallType = Annotated[str | None, typer.Option("--type", metavar="TYPE", help="Of this type, e.g. track.")]
Name = Annotated[str | None, typer.Option("--name", metavar="NAME", help="With this event or page name.")]
State = Annotated[
    str | None,
    typer.Option(
        "--state",
        metavar="STATE[@DESTINATION]",
        help=f"In this state at any destination, or at the one after @: {', '.join(ORDER)}.",
    ),
]
Reason = Annotated[
    str | None,
    typer.Option("--reason", metavar="CODE", help="With this reason of its state, e.g. consent or rejected."),
]
Limit = Annotated[int, typer.Option("--limit", metavar="N", min=1, max=500, help="How many to show.")]
Before = Annotated[
    int | None, typer.Option("--before", metavar="KEY", help="Only older ones: the KEY that the page before printed.")
]
Follow = Annotated[bool, typer.Option("--follow", "-f", help="Show new ones as they come, until Ctrl-C.")]


@asks
def events(
    common: Common,
    user: User = None,
    company: Company = None,
    type_: CallType = None,
    name: Name = None,
    source: Source = None,
    state: State = None,
    reason: Reason = None,
    since: Since = None,
    limit: Limit = 20,
    before: Before = None,
    follow: Follow = False,
) -> None:
    """Show the newest events, and what became of them.

    Newest first; with --follow the newest one is at the end. --user finds what was sent with this userId, and with the anonymousIds that
    were joined to it. A search looks back over a bounded number of events and says where it stopped. `why` tells all about one of
    them.

    Examples:
        events --user u1
        events --company acme --type track --since 24h
        events --state dead@braze --limit 5
        events --state filtered --reason consent
        events --follow
    """
    given = {
        "user": user,
        "company": company,
        "type": type_,
        "name": name,
        "source": source,
        "state": state,
        "reason": reason,
        "since": since,
    }
    which = {key: value for key, value in given.items() if value is not None}
    if follow and before is not None:
        raise typer.BadParameter("shows what is to come", param_hint="--before")
    with open_data_source(common) as data:
        if follow and not data.running:
            raise typer.BadParameter("the daemon does not run, so nothing new comes", param_hint="--follow")
        if follow:
            _follow(data, which, limit, common)
        found = data.events(which, before, limit)
        if common.as_json:
            say_json(found)
            return
        nothing = [] if found["items"] else _nothing(found, which, before, data, common)
        is_last = _is_last(found, which, limit, data)
    if found["items"]:
        _show(found["items"])
    for sentence in nothing:
        say_wrapped(sentence)
    if not is_last:
        _say_more(found, which, limit, common)


def _nothing(
    found: Mapping[str, Any], which: Mapping[str, str], before: int | None, data: DataSource, common: Common
) -> list[str]:
    """Why a list is empty."""
    if found["searched_to"]:
        return ["no such event among those looked at"]
    if before is not None:
        return ["no older event of this kind is stored" if which else "no older event is stored"]
    if user := which.get("user"):
        return nothing_of(user, data, common, is_all=set(which) == {"user"})
    return ["no such event" if which else "no event is stored"]


def _is_last(found: Mapping[str, Any], which: Mapping[str, str], limit: int, data: DataSource) -> bool:
    """Whether nothing follows a page. One that is full is looked behind."""
    if found["next"] is None or len(found["items"]) < limit:
        return found["next"] is None
    behind = data.events(which, found["next"], 1)
    return not behind["items"] and behind["next"] is None


def _show(items: Sequence[Mapping[str, Any]]) -> None:
    say_table(
        ["accepted (UTC)", "type", "name", "user", "state"],
        [
            [
                instant(event["received_at"])[5:19],
                event["type"],
                _name(event),
                event["user"] or code_phrases.NOBODY,
                states(event["destinations"]),
            ]
            for event in items
        ],
        cut=["name", "user"],
        wrap=["state"],
        ids=[event["message_id"] for event in items],
    )


def states(destinations: Mapping[str, Mapping[str, Any]]) -> Styled:
    """The states of an event, in short: the unusual ones with their destinations, the worst first; `delivered` at all others. A second sending
    that waits or is dead has the last word."""
    words = {name: fate.get("replay", fate)["state"] for name, fate in destinations.items()}
    unusual = sorted((ORDER.index(word), name, word) for name, word in words.items() if word != "delivered")
    if len(set(words.values())) <= 1:
        word = next(iter(words.values()), "-")
        return Styled(word, OF_STATE.get(word, ""))
    rest = ["else delivered"] if len(unusual) < len(words) else []
    return Styled(", ".join([*(f"{word}@{name}" for _, name, word in unusual), *rest]), OF_STATE[unusual[0][2]])


def _say_more(found: Mapping[str, Any], which: Mapping[str, str], limit: int, common: Common) -> None:
    """Where the search goes on."""
    if found["next"] is None:
        return
    if found["searched_to"]:
        warn(f"looked back to {instant(found['searched_to'])} only; older events are searched by the line below")
    options = "".join(f" --{key} {shlex.quote(value)}" for key, value in which.items())
    options += f" --limit {limit}" if limit != 20 else ""
    say("", f"more: {program()} events{options} --before {found['next']}{hint(common)}")


def _follow(data: DataSource, which: Mapping[str, str], limit: int, common: Common) -> None:
    """Show the newest events, and then others as they come or as they get the state asked for, oldest first. Only a signal ends it."""
    clock = SystemClock()
    items = data.events(which, None, PAGE)["items"]
    floor = items[-1]["position"] if len(items) == PAGE else 0  # older ones may come into the page when others leave it
    shown = {event["position"]: None for event in reversed(items[limit:])}
    while True:
        fresh = [event for event in reversed(items) if event["position"] >= floor and event["position"] not in shown]
        shown |= {event["position"]: None for event in fresh}
        for position in list(shown)[:-REMEMBERED]:
            del shown[position]
        for event in fresh:
            print(json.dumps(event) if common.as_json else _line(event), flush=True)
        asyncio.run(clock.sleep(EVERY_S))
        items = data.events(which, None, PAGE)["items"]
        if len(items) == PAGE and not any(event["position"] in shown for event in items):
            warn(f"more than {PAGE} came; older ones of them are not shown")


def _line(event: Mapping[str, Any]) -> str:
    """An event for --follow."""
    state = states(event["destinations"])
    words = [
        instant(event["received_at"])[5:19],
        f"{event['type']:<8}",
        _name(event),
        event["user"] or code_phrases.NOBODY,
    ]
    shown = [printable(word) for word in words if word]
    return "  ".join([*shown, paint(printable(state), state.style), printable(event["message_id"])])


def _name(event: Mapping[str, Any]) -> str:
    """What the call is about: of a group call, the group."""
    return str(event["name"] or (event["group_id"] if event["type"] == "group" else "") or "")
