"""The verbs about what is done with: `dead` lists and drops dead letters, `replay` sends again."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from router.cli import words
from router.cli.answers import open_answers
from router.cli.change import running_daemon
from router.cli.options import AsJson, ConfigFile, DestinationName, Source
from router.cli.read import After
from router.cli.show import count, instant, say, say_json, say_table

Reason = Annotated[str | None, typer.Option("--reason", metavar="REASON", help="Only those dead for this reason.")]
Since = Annotated[
    str | None,
    typer.Option("--since", metavar="TIME", help="From then on: 2026-01-31T10:00:00Z, or 36h for so long ago."),
]
Until = Annotated[str | None, typer.Option("--until", metavar="TIME", help="Before then; the same forms.")]
OneMessage = Annotated[str | None, typer.Option("--message-id", metavar="ID", help="Only this message.")]


def dead(
    destination: DestinationName,
    reason: Reason = None,
    since: Since = None,
    until: Until = None,
    after: After = None,
    drop: Annotated[
        bool, typer.Option("--drop", help="Drop those that --reason, --since, --until choose, for good.")
    ] = False,
    every: Annotated[bool, typer.Option("--all", help="With --drop: all of them.")] = False,
    message_id: Annotated[
        str | None, typer.Option("--message-id", metavar="ID", help="With --drop: only this message's.")
    ] = None,
    config: ConfigFile = Path("config.toml"),
    as_json: AsJson = False,
) -> None:
    """Dead letters of a destination: what was given up or refused, and why. With --drop they go; their events stay dead."""
    chosen = {"reason": reason, "since": since, "until": until, "message_id": message_id}
    if drop:
        if not every and not any(chosen.values()):
            raise typer.BadParameter(
                "say which: --reason, --since, --until, --message-id, or --all", param_hint="--drop"
            )
        with running_daemon(config) as admin:
            answer = admin.post("api", "destinations", destination, "dead", "drop", body=_given(chosen))
        say(f"{destination}: dropped {count(answer['dropped'], 'dead letter')}")
        return
    if message_id or every:
        raise typer.BadParameter("goes with --drop; `why` tells of one message", param_hint="--message-id, --all")
    with open_answers(config) as answers:
        found = answers.dead(destination, reason, since, until, after)
    if as_json:
        say_json(found)
        return
    if not found["items"]:
        say(f"no dead letters at {destination}" + (" of this kind" if reason or since or until else ""))
    else:
        say_table(
            ["message id", "type", "user", "dead since", "reason", "why"],
            [
                [row["message_id"], row["type"], row["user"], instant(row["at"]), row["reason"], words.dead_letter(row)]
                for row in found["items"]
            ],
        )
    if gone := found["dead"] - found["kept"]:
        say(f"{count(gone, 'letter')} of dead events {'is' if gone == 1 else 'are'} no longer kept")
    if found["next"] is not None:
        say("", f"more: dead {destination} --after {found['next']}")


def replay(
    destination: DestinationName,
    dead: Annotated[
        bool, typer.Option("--dead", help="Dead letters; --reason, --since, --until choose among them.")
    ] = False,
    reason: Reason = None,
    since: Since = None,
    until: Until = None,
    message_id: OneMessage = None,
    source: Source = None,
    count_only: Annotated[bool, typer.Option("--count", help="Only tell how many events that would be.")] = False,
    stop: Annotated[bool, typer.Option("--stop", help="Feed nothing more.")] = False,
    config: ConfigFile = Path("config.toml"),
    as_json: AsJson = False,
) -> None:
    """Send again: dead letters (--dead), what was accepted in a time (--since), or one message. Alone it tells how far it is."""
    body = {
        "dead": dead or None,
        "reason": reason,
        "since": since,
        "until": until,
        "message_id": message_id,
        "source": source,
    }
    path = ("api", "destinations", destination, "replay")
    if stop and any(body.values()):
        raise typer.BadParameter("goes alone", param_hint="--stop")
    with running_daemon(config) as admin:
        if stop:
            answer = admin.delete(*path)
        elif any(body.values()):
            answer = admin.post(*path, body={**_given(body), **({"count_only": True} if count_only else {})})
        else:
            answer = admin.get(*path)
    if as_json:
        say_json(answer)
    elif "state" in answer:
        say(f"{destination}: {words.replay(answer)}")
    else:
        would = (
            "would be sent again"
            if count_only
            else "is on its way again"
            if answer["count"] == 1
            else "are on their way"
        )
        say(f"{destination}: {count(answer['count'], 'event')} {would}")


def _given(chosen: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in chosen.items() if value is not None}
