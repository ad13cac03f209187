"""`dead`: list the dead letters of a destination, or drop them."""

from __future__ import annotations

from typing import Annotated

import typer

from router.cli.client import running_daemon
from router.cli.data_source import open_data_source
from router.cli.endpoint import program
from router.cli.options import After, Common, DestinationName, Reason, Since, Until, asks, hint
from router.cli.output import say, say_json, say_table
from router.explain import event_phrases
from router.explain.figures import count, short_instant

Drop = Annotated[bool, typer.Option("--drop", help="Drop those that --reason, --since, --until choose, for good.")]
Every = Annotated[bool, typer.Option("--all", help="With --drop: all of them.")]
OneMessage = Annotated[str | None, typer.Option("--message-id", metavar="ID", help="With --drop: only this message's.")]


@asks
def dead(
    common: Common,
    destination: DestinationName,
    reason: Reason = None,
    since: Since = None,
    until: Until = None,
    after: After = None,
    drop: Drop = False,
    every: Every = False,
    message_id: OneMessage = None,
) -> None:
    """Show the dead letters of a destination, or drop them.

    A dead letter is an event that was given up or refused. With --drop letters are deleted for good; their events stay dead.

    Examples:
        dead braze --since 24h
        dead braze --reason rejected --json
        dead braze --drop --reason hold_full
    """
    chosen = {"reason": reason, "since": since, "until": until, "message_id": message_id}
    if drop:
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
    if message_id or every:
        raise typer.BadParameter("goes with --drop; `why` tells of one message", param_hint="--message-id, --all")
    with open_data_source(common) as data:
        found = data.dead(destination, reason, since, until, after)
    if common.as_json:
        say_json(found)
        return
    if not found["items"]:
        say(f"no dead letters at {destination}" + (" of this kind" if reason or since or until else ""))
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
