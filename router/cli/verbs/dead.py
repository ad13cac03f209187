"""`dead`: list the dead letters of a destination, or drop them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from router.cli.client import running_daemon
from router.cli.data_source import names, open_data_source
from router.cli.endpoint import program
from router.cli.options import After, Common, OneDestination, Reason, Since, Until, asks, hint
from router.cli.output import say, say_json, say_table, say_wrapped
from router.cli.removed import removed_lines
from router.cli.style import BOLD
from router.explain import event_phrases
from router.explain.figures import count, short_instant

Drop = Annotated[bool, typer.Option("--drop", help="Drop those that --reason, --since, --until choose, for good.")]
Every = Annotated[bool, typer.Option("--all", help="With --drop: all of them.")]
OneMessage = Annotated[str | None, typer.Option("--message-id", metavar="ID", help="With --drop: only this message's.")]


@asks
def dead(
    common: Common,
    destination: OneDestination = None,
    reason: Reason = None,
    since: Since = None,
    until: Until = None,
    after: After = None,
    drop: Drop = False,
    every: Every = False,
    message_id: OneMessage = None,
) -> None:
    """Show dead letters, or drop those of a destination.

    A dead letter is an event that was given up or refused. With --drop letters are deleted for good; their events stay dead.

    Examples:
        dead --since 24h
        dead braze --since 24h
        dead braze --reason rejected --json
        dead braze --drop --reason hold_full
    """
    chosen = {"reason": reason, "since": since, "until": until, "message_id": message_id}
    if drop:
        if not destination:
            raise typer.BadParameter("name the DESTINATION", param_hint="--drop")
        if not every and not any(chosen.values()):
            raise typer.BadParameter(
                "say which: --reason, --since, --until, --message-id, or --all", param_hint="--drop"
            )
        given = {key: value for key, value in chosen.items() if value is not None}
        with running_daemon(common) as admin:
            answer = admin.post("api", "destinations", destination, "dead", "drop", body=given)
        if common.as_json:
            say_json(answer)
        else:
            say(f"{destination}: dropped {count(answer['dropped'], 'dead letter')}")
        return
    if after and not destination:
        raise typer.BadParameter("name the DESTINATION whose next page it is", param_hint="--after")
    if message_id or every:
        raise typer.BadParameter("goes with --drop; `why` tells of one message", param_hint="--message-id, --all")
    with open_data_source(common) as data:
        found = {name: data.dead(name, reason, since, until, after) for name in names(data, destination)}
        gone = [] if destination or common.as_json else removed_lines(data.ledger(), common, ("dead",))
    if common.as_json:
        say_json(found[destination] if destination else {"destinations": found})
        return
    kind = " of this kind" if reason or since or until else ""
    if not destination and not any(page["items"] for page in found.values()):
        say(f"no dead letters{' at a destination of config.toml' if gone else ''}{kind}")
    shown = {name: page for name, page in found.items() if destination or page["items"]}
    for number, (name, page) in enumerate(shown.items()):
        if not destination:
            say(*([""] if number else []))
            say(f"{name}:", style=BOLD)
        _say_letters(name, page, kind, common)
    for sentence in gone:
        say_wrapped(sentence)


def _say_letters(destination: str, found: Mapping[str, Any], kind: str, common: Common) -> None:
    """The dead letters of one destination."""
    if not found["items"]:
        say(f"no dead letters at {destination}{kind}")
    else:
        say_table(
            ["dead since (UTC)", "type", "user", "reason", "why"],
            [
                [short_instant(row["at"]), row["type"], row["user"], row["reason"], event_phrases.dead_letter(row)]
                for row in found["items"]
            ],
            cut=["user"],
            wrap=["why"],
            ids=[row["message_id"] for row in found["items"]],
        )
    of_timers = found.get("kept_of_timers", 0)
    if of_timers:
        say(
            f"{count(of_timers, 'letter')} of timers {'is' if of_timers == 1 else 'are'} among these, and no accepted event"
        )
    if (gone := found["dead"] - found["kept"] + of_timers) > 0:
        say(f"{count(gone, 'letter')} of dead events {'is' if gone == 1 else 'are'} no longer kept")
    if found["next"] is not None:
        say("", f"more: {program()} dead {destination} --after {found['next']}{hint(common)}")
